// The settings of each parameter: learning rate, weight decay, and whether Muon treats it as a matrix.
#pragma once

#include <string>
#include <vector>

#include "configs/config.hpp"
#include "worker/state/layout.hpp"

namespace lockstep {

struct ParameterGroup {
  double rate_factor = 1;  ///< of the step's learning rate
  double weight_decay = 0;
  bool is_matrix = false;  ///< a weight of two dimensions or more outside of the last layer
};

/// One group for each entry of the layout, including those that are no parameters. With
/// optimizer.no_decay_bias_norm, biases and norms have no weight decay. With optimizer.layer_decay, the layer
/// that is n before the last has rate factor layer_decay^n (Clark et al. 2020; layers as
/// timm.optim.param_groups_layer_decay counts them: the stem, each residual block or Linear, and the last
/// layer). The last layer has head_learning_rate / learning_rate if that is given.
std::vector<ParameterGroup> parameter_groups(const Layout& layout, const Config::Optimizer& settings);

}  // namespace lockstep
