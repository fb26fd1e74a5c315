// What some layers leave behind after a forward pass in training: statistics of the micro-batch, which the
// step merges along the fixed tree into running ones.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

namespace torch::nn {
class Module;
}  // namespace torch::nn

namespace lockstep {

/// Under the name of the buffer, within its layer, that holds the running statistic of the same shape.
struct BatchStatistic {
  const char* name;
  at::Tensor value;
};

struct LeavesStatistics {
  virtual ~LeavesStatistics() = default;
  virtual std::vector<BatchStatistic> batch_statistics() const = 0;
};

/// Evaluation mode for all of `model` but the layers that leave statistics.
void train_statistics_alone(torch::nn::Module& model);

}  // namespace lockstep
