// Statistics of the micro-batch that some layers leave behind after a forward pass in training. The step
// merges them along the fixed tree into the running ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace lockstep {

/// A statistic, under the name of the layer's buffer that holds the running one of the same shape.
struct BatchStatistic {
  const char* name;
  at::Tensor value;
};

/// A layer that leaves statistics of the micro-batch.
struct LeavesStatistics {
  virtual ~LeavesStatistics() = default;
  virtual std::vector<BatchStatistic> batch_statistics() const = 0;
};

/// Switches `model` to evaluation mode, except for the layers that leave statistics, which train.
void train_statistics_alone(torch::nn::Module& model);

}  // namespace lockstep
