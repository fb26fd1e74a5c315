#include "configs/rules.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <initializer_list>

#include "configs/derive.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

using Broken = std::optional<Problem>;

std::string number(std::int64_t value) { return std::to_string(value); }

/// The divisor of `whole`, `largest` at most, nearest to `wanted`; the smaller of two equally near.
std::int64_t nearest_divisor(std::int64_t whole, std::int64_t wanted, std::int64_t largest) {
  std::int64_t nearest = 1;
  for (std::int64_t divisor = 1; divisor <= std::min(whole, largest); ++divisor) {
    if (whole % divisor == 0 && std::llabs(divisor - wanted) < std::llabs(nearest - wanted))
      nearest = divisor;
  }
  return nearest;
}

/// For what is a matter of one key that needs another to be set in some way.
Broken unless(bool kept, const Problem& problem) { return kept ? std::nullopt : std::optional(problem); }

bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::ranges::count(names, name) > 0;
}

Broken micro_batch_divides_batch(const Config& config) {
  const std::int64_t batch = config.training.batch_size;
  const std::int64_t micro = resolved_micro_batch_size(config);
  if (batch % micro == 0) return std::nullopt;
  const double largest = find_parameter("training", "micro_batch_size")->bounds.high;
  const std::int64_t divisor = nearest_divisor(batch, micro, static_cast<std::int64_t>(largest));
  return Problem{"training.micro_batch_size = " + number(micro) +
                     " does not divide training.batch_size = " + number(batch),
                 "every micro-batch of a step has the same size", "take " + number(divisor) + " or \"auto\""};
}

Broken samples_fill_a_step(const Config& config) {
  const std::int64_t step = config.training.batch_size * config.training.gradient_accumulation_steps;
  const std::int64_t samples = config.data.train_samples;
  if (samples == 0 || samples >= step) return std::nullopt;
  return Problem{"data.train_samples = " + number(samples) + " is less than one step takes",
                 "a step takes batch_size * gradient_accumulation_steps = " + number(step) + " samples",
                 "take more samples or a smaller batch"};
}

Broken one_warmup(const Config& config) {
  const auto& schedule = config.schedule;
  std::vector<std::string> given;
  if (schedule.warmup_steps != 0) given.push_back("schedule.warmup_steps");
  if (schedule.warmup_ratio != 0) given.push_back("schedule.warmup_ratio");
  if (schedule.warmup_epochs != 0) given.push_back("schedule.warmup_epochs");
  if (given.size() < 2) return std::nullopt;
  return Problem{"the warm-up is given more than once", "given are " + joined(given, " and "),
                 "keep one and set the others to 0"};
}

Broken warmup_within_run(const Config& config) {
  if (config.schedule.warmup_epochs <= config.training.epochs) return std::nullopt;
  return Problem{
      "schedule.warmup_epochs = " + number(config.schedule.warmup_epochs) + " is longer than the run",
      "training.epochs = " + number(config.training.epochs), "shorten the warm-up"};
}

Broken schedule_lowers(const Config& config) {
  const auto& schedule = config.schedule;
  const double highest = scaled_learning_rate(config);
  if (is_one_of(schedule.name, {"constant", "onecycle"}) || schedule.min_lr <= highest) return std::nullopt;
  const bool scaled = config.optimizer.lr_scaling != "none";
  return Problem{"schedule.min_lr = " + real_text(schedule.min_lr) + " is above optimizer.learning_rate = " +
                     real_text(highest) + (scaled ? " after lr_scaling" : ""),
                 "the schedule only lowers the learning rate", "lower min_lr or raise learning_rate"};
}

Broken step_is_reached(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.name != "step" || schedule.step_epochs < config.training.epochs) return std::nullopt;
  return Problem{"schedule.step_epochs = " + number(schedule.step_epochs) + " is never reached",
                 "training.epochs = " + number(config.training.epochs) + ", so the learning rate never drops",
                 "lower step_epochs or set schedule.name = \"constant\""};
}

Broken nesterov_has_momentum(const Config& config) {
  const auto& optimizer = config.optimizer;
  const bool reads = optimizer.name == "sgd" || optimizer.name == "lars" || optimizer.name == "muon";
  if (!reads || !optimizer.nesterov || optimizer.momentum > 0) return std::nullopt;
  return Problem{"optimizer.nesterov = true has no effect with optimizer.momentum = 0",
                 "Nesterov's step looks ahead along the momentum", "set nesterov = false or momentum = 0.9"};
}

Broken mlp_has_hidden_layer(const Config& config) {
  if (config.model.name != "mlp" || !config.model.hidden_sizes.empty()) return std::nullopt;
  return Problem{"model.hidden_sizes = [] leaves the mlp without a hidden layer", "it needs one at least",
                 "write for example hidden_sizes = [256]"};
}

Broken mean_and_std_match(const Config& config) {
  const auto means = std::ssize(config.data.mean), deviations = std::ssize(config.data.std);
  if (means == deviations) return std::nullopt;
  return Problem{"data.mean and data.std differ in length",
                 number(means) + " and " + number(deviations) + " numbers, auto counting as none",
                 "give one number per channel in both, or \"auto\" in both"};
}

bool has_residual_blocks(const Config& config) { return !is_one_of(config.model.name, {"mlp", "small_cnn"}); }

Broken one_clipping(const Config& config) {
  const auto& training = config.training;
  return unless(training.gradient_clip_norm == 0 || training.gradient_clip_value == 0,
                {"gradients are clipped twice", "by training.gradient_clip_norm and gradient_clip_value",
                 "keep one and set the other to 0"});
}

Broken metric_is_there(const Config& config) {
  const auto& metric = config.training.early_stopping_metric;
  return unless(
      !config.training.early_stopping || !watches_average(config.training) || config.averaging.model_ema,
      {"training.early_stopping_metric = " + quoted(metric) + " is never measured",
       "averaging.model_ema is off", "turn it on, or watch " + quoted(metric.substr(4))});
}

Broken milestones_rise(const Config& config) {
  const auto& milestones = config.schedule.milestones;
  if (config.schedule.name != "multistep") return std::nullopt;
  const bool rising = std::ranges::adjacent_find(milestones, std::greater_equal<>()) == milestones.end();
  const bool reached = !milestones.empty() && milestones.front() < config.training.epochs;
  return unless(
      rising && reached,
      {std::string("schedule.milestones ") + (rising ? "are never reached" : "do not rise"),
       "training.epochs = " + number(config.training.epochs) + "; they are epochs of the run in order",
       "write for example milestones = [" + number(std::max<Integer>(config.training.epochs / 2, 1)) + "]"});
}

Broken cooldown_leaves_time(const Config& config) {
  const auto& schedule = config.schedule;
  if (schedule.cooldown_epochs == 0) return std::nullopt;
  if (is_one_of(schedule.name, {"constant", "onecycle", "plateau"})) {
    return Problem{"schedule.cooldown_epochs has no meaning where schedule.name = " + quoted(schedule.name),
                   "it does not end at min_lr before the run does", "set cooldown_epochs = 0"};
  }
  return unless(
      schedule.cooldown_epochs + schedule.warmup_epochs < config.training.epochs,
      {"schedule.cooldown_epochs = " + number(schedule.cooldown_epochs) + " leaves no epoch to the schedule",
       "training.epochs = " + number(config.training.epochs), "shorten the cool-down"});
}

Broken onecycle_warms_up_itself(const Config& config) {
  const auto& s = config.schedule;
  return unless(s.name != "onecycle" || (s.warmup_steps == 0 && s.warmup_ratio == 0 && s.warmup_epochs == 0),
                {"schedule.name = \"onecycle\" has a warm-up of its own", "another one is given as well",
                 "set warmup_steps, warmup_ratio and warmup_epochs to 0; onecycle_rise is its length"});
}

Broken swa_starts_in_time(const Config& config) {
  const auto start = config.averaging.swa_start_epoch;
  return unless(
      !config.averaging.use_swa || !start || *start < config.training.epochs,
      {"averaging.swa_start_epoch = " + number(start.value_or(0)) + " is not before the end of the run",
       "training.epochs = " + number(config.training.epochs), "lower it, or write \"auto\""});
}

Broken scale_has_fp16(const Config& config) {
  const auto& precision = config.precision;
  return unless(
      precision.loss_scale == "dynamic" || precision.mixed_precision == "fp16",
      {"precision.loss_scale = " + precision.loss_scale + " has no effect",
       "only fp16 gradients vanish, and precision.mixed_precision = " + quoted(precision.mixed_precision),
       "set mixed_precision = \"fp16\" or leave loss_scale out"});
}

Broken int8_is_trained_in_float32(const Config& config) {
  return unless(!config.quantization.quantization_aware ||
                    !is_one_of(config.precision.mixed_precision, {"bf16", "fp16"}),
                {"quantization.quantization_aware contradicts precision.mixed_precision = " +
                     quoted(config.precision.mixed_precision),
                 "rounding to 8 bits is simulated in float32", "set mixed_precision = \"none\""});
}

Broken one_random_policy(const Config& config) {
  return unless(!config.augmentation.rand_augment || !config.augmentation.trivial_augment,
                {"augmentation.rand_augment and trivial_augment are both on", "each replaces the other",
                 "turn one off"});
}

Broken one_crop(const Config& config) {
  return unless(!config.augmentation.random_resized_crop || config.augmentation.crop_padding == 0,
                {"augmentation.random_resized_crop and crop_padding are both on", "an image is cropped once",
                 "turn random_resized_crop off or set crop_padding = 0"});
}

Broken repeats_fill_the_batch(const Config& config) {
  const std::int64_t repeats = config.augmentation.repeated_augmentation, batch = config.training.batch_size;
  return unless(batch % repeats == 0, {"augmentation.repeated_augmentation = " + number(repeats) +
                                           " does not divide training.batch_size = " + number(batch),
                                       "all copies of a sample belong to one batch",
                                       "take " + number(nearest_divisor(batch, repeats, 32))});
}

Broken explicit_weights_are_given(const Config& config) {
  const auto& loss = config.loss;
  if (loss.class_weights == "explicit" && loss.class_weight_values.empty()) {
    return Problem{"loss.class_weights = \"explicit\" has no numbers", "loss.class_weight_values is empty",
                   "write one number for each class"};
  }
  const bool zero = !loss.class_weight_values.empty() && std::ranges::max(loss.class_weight_values) == 0;
  if (zero)
    return Problem{"loss.class_weight_values are all 0", "nothing is left to learn",
                   "write a number above 0"};
  return unless(loss.class_weights == "explicit" || loss.class_weight_values.empty(),
                {"loss.class_weight_values has no effect",
                 "loss.class_weights = " + quoted(loss.class_weights), "set class_weights = \"explicit\""});
}

Broken sophia_in_full_range(const Config& config) {
  return unless(config.optimizer.name != "sophia" || config.precision.mixed_precision != "fp16",
                {"optimizer.name = \"sophia\" cannot estimate the curvature in fp16",
                 "squares of small gradients vanish there, and nothing scales them",
                 "set precision.mixed_precision = \"bf16\" or \"none\""});
}

Broken swa_lr_has_no_cooldown(const Config& config) {
  return unless(!config.averaging.use_swa || !config.averaging.swa_lr || config.schedule.cooldown_epochs == 0,
                {"averaging.swa_lr and schedule.cooldown_epochs are both given",
                 "both say what the learning rate is at the end of the run",
                 "set cooldown_epochs = 0 or swa_lr = \"auto\""});
}

Broken sophia_samples_labels(const Config& config) {
  return unless(
      config.optimizer.name != "sophia" || config.loss.name == "cross_entropy",
      {"optimizer.name = \"sophia\" cannot estimate the curvature of loss.name = " + quoted(config.loss.name),
       "it samples labels from the softmax", "set loss.name = \"cross_entropy\""});
}

Broken paths_can_be_dropped(const Config& config) {
  return unless(config.model.drop_path == 0 || has_residual_blocks(config),
                {"model.drop_path has no effect on model.name = " + quoted(config.model.name),
                 "it has no residual blocks to skip", "set drop_path = 0"});
}

Broken gammas_are_there(const Config& config) {
  return unless(!config.model.zero_init_residual || config.model.name.find("resnet") != std::string::npos,
                {"model.zero_init_residual has no effect on model.name = " + quoted(config.model.name),
                 "its residual blocks do not end in a batch norm", "set zero_init_residual = false"});
}

Broken patches_are_cut(const Config& config) {
  return unless(!config.model.patch_size || is_one_of(config.model.name, {"vit_tiny", "convnext_tiny"}),
                {"model.patch_size has no effect on model.name = " + quoted(config.model.name),
                 "it does not cut images into patches", "leave it out"});
}

Broken address_is_one(const Config& config) {
  const auto& address = config.run.prometheus_address;
  in6_addr parsed;  // large enough for either
  return unless(config.run.prometheus_port == 0 || inet_pton(AF_INET, address.c_str(), &parsed) == 1 ||
                    inet_pton(AF_INET6, address.c_str(), &parsed) == 1,
                {"run.prometheus_address = " + quoted(address) + " is not an address",
                 "addresses are IPv4 or IPv6, without a port",
                 "write \"127.0.0.1\" for this host alone, or \"0.0.0.0\" for all its addresses"});
}

}  // namespace

const std::vector<Rule>& rules() {
  static const std::vector<Rule> list = {
      {{"training.micro_batch_size", "training.batch_size"},
       "training.micro_batch_size divides training.batch_size.",
       micro_batch_divides_batch},
      {{"data.train_samples", "training.batch_size", "training.gradient_accumulation_steps"},
       "data.train_samples, unless it is 0, is at least batch_size * gradient_accumulation_steps.",
       samples_fill_a_step},
      {{"schedule.warmup_steps", "schedule.warmup_ratio", "schedule.warmup_epochs"},
       "At most one of schedule.warmup_steps, warmup_ratio and warmup_epochs is above 0.",
       one_warmup},
      {{"schedule.warmup_epochs", "training.epochs"},
       "schedule.warmup_epochs is at most training.epochs.",
       warmup_within_run},
      {{"schedule.min_lr", "optimizer.learning_rate", "optimizer.lr_scaling", "schedule.name"},
       "schedule.min_lr is at most optimizer.learning_rate after lr_scaling, unless schedule.name is "
       "constant or onecycle.",
       schedule_lowers},
      {{"schedule.step_epochs", "schedule.name", "training.epochs"},
       "schedule.step_epochs is less than training.epochs where schedule.name is step.",
       step_is_reached},
      {{"optimizer.nesterov", "optimizer.momentum", "optimizer.name"},
       "optimizer.nesterov needs optimizer.momentum above 0 where optimizer.name is sgd, lars or muon.",
       nesterov_has_momentum},
      {{"model.hidden_sizes", "model.name"},
       "model.hidden_sizes has one width at least where model.name is mlp.",
       mlp_has_hidden_layer},
      {{"data.mean", "data.std"},
       "data.mean and data.std have as many numbers, or are both auto.",
       mean_and_std_match},
      {{"training.gradient_clip_norm", "training.gradient_clip_value"},
       "At most one of training.gradient_clip_norm and gradient_clip_value is above 0.",
       one_clipping},
      {{"training.early_stopping_metric", "averaging.model_ema"},
       "training.early_stopping_metric is of the average only where averaging.model_ema is on.",
       metric_is_there},
      {{"schedule.milestones", "schedule.name", "training.epochs"},
       "schedule.milestones rise, and the first is less than training.epochs, where schedule.name is "
       "multistep.",
       milestones_rise},
      {{"schedule.cooldown_epochs", "schedule.name", "training.epochs", "schedule.warmup_epochs"},
       "schedule.cooldown_epochs and warmup_epochs leave an epoch between them; where schedule.name is "
       "constant, onecycle or plateau, cooldown_epochs is 0.",
       cooldown_leaves_time},
      {{"schedule.name", "schedule.warmup_steps", "schedule.warmup_ratio", "schedule.warmup_epochs"},
       "schedule.warmup_steps, warmup_ratio and warmup_epochs are 0 where schedule.name is onecycle.",
       onecycle_warms_up_itself},
      {{"averaging.swa_start_epoch", "training.epochs", "averaging.use_swa"},
       "averaging.swa_start_epoch is less than training.epochs where averaging.use_swa is on.",
       swa_starts_in_time},
      {{"precision.loss_scale", "precision.mixed_precision"},
       "precision.loss_scale is a number only where precision.mixed_precision is fp16.",
       scale_has_fp16},
      {{"quantization.quantization_aware", "precision.mixed_precision"},
       "quantization.quantization_aware excludes precision.mixed_precision = bf16 or fp16.",
       int8_is_trained_in_float32},
      {{"augmentation.rand_augment", "augmentation.trivial_augment"},
       "At most one of augmentation.rand_augment and trivial_augment is on.",
       one_random_policy},
      {{"augmentation.random_resized_crop", "augmentation.crop_padding"},
       "augmentation.crop_padding is 0 where random_resized_crop is on.",
       one_crop},
      {{"augmentation.repeated_augmentation", "training.batch_size"},
       "augmentation.repeated_augmentation divides training.batch_size.",
       repeats_fill_the_batch},
      {{"loss.class_weights", "loss.class_weight_values"},
       "loss.class_weight_values are given, not all 0, exactly where loss.class_weights is explicit.",
       explicit_weights_are_given},
      {{"optimizer.name", "precision.mixed_precision"},
       "optimizer.name = sophia excludes precision.mixed_precision = fp16.",
       sophia_in_full_range},
      {{"averaging.swa_lr", "schedule.cooldown_epochs", "averaging.use_swa"},
       "schedule.cooldown_epochs is 0 where averaging.use_swa is on and swa_lr given.",
       swa_lr_has_no_cooldown},
      {{"optimizer.name", "loss.name"},
       "optimizer.name = sophia needs loss.name = cross_entropy.",
       sophia_samples_labels},
      {{"model.drop_path", "model.name"},
       "model.drop_path is 0 where model.name is mlp or small_cnn.",
       paths_can_be_dropped},
      {{"model.zero_init_residual", "model.name"},
       "model.zero_init_residual is on only where model.name is that of a resnet.",
       gammas_are_there},
      {{"model.patch_size", "model.name"},
       "model.patch_size is given only where model.name is vit_tiny or convnext_tiny.",
       patches_are_cut},
      {{"run.prometheus_address", "run.prometheus_port"},
       "run.prometheus_address is an IPv4 or IPv6 address where run.prometheus_port is not 0.",
       address_is_one},
  };
  return list;
}

std::vector<const Rule*> rules_on(const Parameter& row) {
  std::vector<const Rule*> found;
  for (const Rule& rule : rules()) {
    if (std::ranges::count(rule.names, row.name()) > 0) found.push_back(&rule);
  }
  return found;
}

std::vector<BrokenRule> broken_rules(const Config& config) {
  std::vector<BrokenRule> broken;
  for (const Rule& rule : rules()) {
    if (auto problem = rule.broken(config)) broken.push_back({rule.names, *problem});
  }
  return broken;
}

}  // namespace lockstep
