#include "worker/models/batch_statistics.hpp"

#include <torch/nn/module.h>

namespace lockstep {

void train_statistics_alone(torch::nn::Module& model) {
  model.eval();
  for (const auto& module : model.modules(/*include_self=*/false)) {
    if (dynamic_cast<LeavesStatistics*>(module.get())) module->train();
  }
}

}  // namespace lockstep
