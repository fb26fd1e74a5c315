// What each parameter gets of its own: learning rate, weight decay, and whether it is a matrix to Muon.
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

/// One for each entry of the layout, those that are no parameters included. Weight decay leaves out biases
/// and norms with optimizer.no_decay_bias_norm. With optimizer.layer_decay a layer n before the last has
/// layer_decay^n (Clark et al. 2020; layers as timm.optim.param_groups_layer_decay counts them: the stem,
/// each residual block or Linear, and the last layer). The last layer has
/// head_learning_rate / learning_rate where that is given.
std::vector<ParameterGroup> parameter_groups(const Layout& layout, const Config::Optimizer& settings);

}  // namespace lockstep
