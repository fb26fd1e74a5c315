// Batch normalisation whose statistics are those of the micro-batch ("ghost batch norm", Hoffer et al. 2017),
// so that they do not depend on how many ranks there are.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>
#include <string>

#include "worker/models/activation.hpp"
#include "worker/models/batch_statistics.hpp"

namespace lockstep {

/// Like torch::nn::BatchNorm2d, except that training does not touch the running statistics: it leaves mean
/// and unbiased variance of the micro-batch, float32 [features], in batch_mean and batch_var, and the step
/// merges those of all micro-batches along the fixed tree.
struct BatchNorm2dImpl : torch::nn::Module, LeavesStatistics {
  explicit BatchNorm2dImpl(std::int64_t features);
  torch::Tensor forward(const torch::Tensor& x);
  /// activation(forward(x) + skipped), or activation(forward(x)) if `skipped` is undefined. Fused into one
  /// pass where possible, with the same bits.
  torch::Tensor activated(const torch::Tensor& x, Activation activation, const torch::Tensor& skipped = {});
  std::vector<BatchStatistic> batch_statistics() const override {
    return {{"running_mean", batch_mean}, {"running_var", batch_var}};
  }

  torch::Tensor weight, bias, running_mean, running_var;
  torch::Tensor batch_mean, batch_var;
  std::int64_t values_per_channel = 0;  ///< of the last forward pass
};
TORCH_MODULE(BatchNorm2d);

/// The name of the first batch norm of `model` that had one value for each channel in the last forward pass,
/// which has no variance; "" for none. PyTorch refuses such a batch.
std::string batch_norm_of_one_value(const torch::nn::Module& model);

/// y + skipped. Computed in place of y, which nothing else may need, unless drop path has made y a wider type
/// than `skipped`.
torch::Tensor sum_with(const torch::Tensor& skipped, torch::Tensor y);

}  // namespace lockstep
