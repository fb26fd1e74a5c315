#include "worker/check/fixed_micro_batch.hpp"

#include <algorithm>

#include "common/error.hpp"
#include "common/random.hpp"
#include "worker/check/leaf_bits.hpp"
#include "worker/models/batch_norm.hpp"
#include "worker/models/model.hpp"
#include "worker/state/state.hpp"
#include "worker/step/forward_backward.hpp"
#include "worker/step/gradient_hooks.hpp"

namespace lockstep {
namespace {

/// Each pixel a function of its place alone, in -2 .. 2 as normalised images are; classes in turn.
MicroBatch samples_for(const Workload& workload, at::Device device) {
  const auto& shape = workload.shape;
  const auto n = workload.micro_batch_size;
  auto images = at::empty({n, shape.channels, shape.height, shape.width});
  auto* pixels = images.data_ptr<float>();
  for (std::int64_t i = 0; i < images.numel(); i += 4) {
    const auto words = philox({static_cast<std::uint32_t>(i), 0, 0, 0}, {0, 0});
    for (std::int64_t j = 0; j < std::min<std::int64_t>(4, images.numel() - i); ++j)
      pixels[i + j] = 4 * (static_cast<float>(words[j] >> 8) * 0x1p-24F) - 2;
  }
  const auto format = workload.channels_last ? at::MemoryFormat::ChannelsLast : at::MemoryFormat::Contiguous;
  return {images.to(device).contiguous(format), (at::arange(n, at::kLong) % shape.classes).to(device)};
}

/// Every micro-batch of a run has the shape of this one.
void require_variances(const Workload& workload) {
  const auto layer = batch_norm_of_one_value(*workload.model);
  if (layer.empty()) return;
  const auto batch = workload.config.training.batch_size;
  auto size = std::min<std::int64_t>(batch, 2);  // the least above 1 that divides the batch
  while (size > 1 && batch % size != 0) ++size;
  throw Error(
      ExitCode::config, "batch norm has no variance in " + layer + " (" + workload.config.model.name + ")",
      "it gets one value for each channel: a micro-batch has 1 sample, and images of " +
          std::to_string(workload.shape.height) + " x " + std::to_string(workload.shape.width) +
          " are down to 1 x 1 there",
      size > 1 ? "set training.micro_batch_size = " + std::to_string(size) + " or more"
               : "set training.batch_size = 8 and training.micro_batch_size = 8, or other numbers above 1");
}

}  // namespace

FixedMicroBatch::FixedMicroBatch(at::Device device, const Workload& workload)
    : workload_(workload),
      weights_(at::zeros({workload.layout.size()})),
      batch_(samples_for(workload, device)) {
  store(*workload.model, workload.layout, weights_);
  attach(*workload.model, workload.layout, weights_.to(device));  // as in training, views of one buffer
}

FixedMicroBatch::~FixedMicroBatch() { attach(*workload_.model, workload_.layout, weights_); }

Hash128 FixedMicroBatch::compute() const {
  GradientHooks hooks(*workload_.model, workload_.layout);
  std::vector<at::Tensor> leaves(workload_.layout.entries().size());
  const GradientSink keep = [&](std::size_t entry, const at::Tensor& value) {
    leaves[entry] = value.detach().to(at::kCPU, at::kFloat, /*non_blocking=*/false, /*copy=*/true);
  };
  workload_.model->train();
  // Of a micro-batch that no step has.
  workload_.model->draws = draw_key(workload_.config.run.seed, 0, workload_.micro_batches);
  forward_backward(workload_, hooks, batch_, /*loss_scale=*/1, keep, /*clock=*/nullptr);
  require_variances(workload_);
  return hash_of_leaves(leaves);
}

}  // namespace lockstep
