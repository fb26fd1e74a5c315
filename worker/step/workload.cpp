#include "worker/step/workload.hpp"

#include "common/error.hpp"
#include "configs/derive.hpp"
#include "worker/models/fake_quantization.hpp"
#include "worker/models/model.hpp"
#include "worker/step/loss.hpp"

namespace lockstep {
namespace {

ChannelStatistics statistics_of(const Config::Data& settings, const Dataset& data) {
  if (settings.mean.empty()) return data.statistics;
  if (std::ssize(settings.mean) != data.train.channels) {
    throw Error(ExitCode::config, "data.mean has " + std::to_string(settings.mean.size()) + " numbers",
                "the images have " + std::to_string(data.train.channels) + " channels",
                "give one number per channel, or \"auto\"");
  }
  return {settings.mean, settings.std};
}

at::Tensor class_weights_of(const Config::Loss& settings, const Dataset& data, at::Device device) {
  std::vector<std::int64_t> samples(data.classes);
  for (const auto label : data.train.labels) ++samples[label];
  const auto weights = class_weights(settings, samples);
  return weights.empty() ? at::Tensor() : at::tensor(weights, at::kFloat).to(device);
}

bool channels_last_for(const Config::Model& settings) {
  // The mlp has no convolution that would gain, and its flattened input is in contiguous order.
  if (settings.memory_format == "auto") return settings.name != "mlp";
  return settings.memory_format == "channels_last";
}

/// Throws Error (config) if MixUp or CutMix has nothing to mix: a single class, or micro-batches of 1 sample.
void require_pairs(const Config::Augmentation& settings, std::int64_t micro_batch_size,
                   std::int64_t classes) {
  if (!settings.enabled || (settings.mixup_alpha == 0 && settings.cutmix_prob == 0)) return;
  const char* which = settings.mixup_alpha > 0 ? "augmentation.mixup_alpha" : "augmentation.cutmix_prob";
  if (classes < 2) {
    throw Error(ExitCode::config, std::string(which) + " mixes the samples of different classes",
                "the training set has " + std::to_string(classes) + " class", "set it to 0");
  }
  if (micro_batch_size < 2) {
    throw Error(ExitCode::config, std::string(which) + " mixes the samples of a micro-batch in pairs",
                "a micro-batch has 1 sample", "set training.micro_batch_size = 2 or more, or it to 0");
  }
}

std::shared_ptr<Model> initialised(std::shared_ptr<Model> model, std::uint64_t seed) {
  initialise(*model, seed);
  return model;
}

}  // namespace

Workload::Workload(const Config& config_, Dataset data_, at::Device device)
    : config(config_),
      data(std::move(data_)),
      extent(extent_of(config, data.train.count)),
      micro_batch_size(resolved_micro_batch_size(config)),
      micro_batches(micro_batches_per_step(config)),
      shape{data.train.channels, data.train.height, data.train.width, data.classes},
      model(initialised(another_model(), static_cast<std::uint64_t>(config.run.seed))),
      channels_last(channels_last_for(config.model)),
      layout(*model, channels_last, optimizer_named(config.optimizer.name).update_matrix != nullptr),
      optimizer(optimizer_named(config.optimizer.name)),
      groups(parameter_groups(layout, config.optimizer)),
      train(data.train, statistics_of(config.data, data), channels_last, device),
      test(data.test, statistics_of(config.data, data), channels_last, device),
      class_weights(class_weights_of(config.loss, data, device)),
      precision(config, device),
      teacher(config.distillation.teacher.empty()
                  ? nullptr
                  : std::make_unique<Teacher>(config.distillation, shape, channels_last, device, precision)) {
  require_pairs(config.augmentation, micro_batch_size, data.classes);
}

std::shared_ptr<Model> Workload::another_model() const {
  auto model = make_model(config.model, shape);
  if (config.quantization.quantization_aware) quantize(*model);
  return model;
}

std::vector<SampleCopy> Workload::samples_of(std::int64_t step, std::int64_t micro_batch) const {
  const SampleOrder order(static_cast<std::uint64_t>(config.run.seed),
                          static_cast<std::uint64_t>(epoch_of(step)), data.train.count);
  const auto first = (step % extent.steps_per_epoch * micro_batches + micro_batch) * micro_batch_size;
  const auto copies = config.augmentation.enabled ? config.augmentation.repeated_augmentation : 1;
  return copies_in_order(order, first, micro_batch_size, copies);
}

MicroBatch Workload::augmented(std::int64_t step, std::int64_t micro_batch) const {
  const AugmentationKey key(config.run.seed, epoch_of(step), step, micro_batch);
  return train.augmented(samples_of(step, micro_batch), key, config.augmentation);
}

}  // namespace lockstep
