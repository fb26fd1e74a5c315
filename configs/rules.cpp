#include "configs/rules.hpp"

#include <algorithm>

#include "configs/rule_functions.hpp"

namespace lockstep {

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
