#include "worker/optim/optimizer.hpp"

#include "common/error.hpp"

namespace lockstep {

const Optimizer& optimizer_named(const std::string& name) {
  static const Optimizer optimizers[] = {
      {"sgd", {"momentum"}, update_sgd},
      {"adam", {"exp_avg", "exp_avg_sq"}, update_adam},
      {"adamw", {"exp_avg", "exp_avg_sq"}, update_adamw},
      {"rmsprop", {"square_avg", "momentum"}, update_rmsprop},
      {"lars", {"momentum"}, update_lars, nullptr, trust_of_lars},
      {"lamb", {"exp_avg", "exp_avg_sq"}, update_lamb, direction_of_lamb, trust_of_lamb},
      {"lion", {"exp_avg"}, update_lion},
      {.name = "sophia",
       .state_names = {"exp_avg", "curvature"},
       .update = update_sophia,
       .has_curvature = true},
      {.name = "muon",
       .state_names = {"exp_avg", "exp_avg_sq"},
       .update = update_adamw,
       .update_matrix = update_muon_matrix},
  };
  for (const auto& optimizer : optimizers) {
    if (optimizer.name == name) return optimizer;
  }
  throw Error(ExitCode::bug, "optimizer.name = " + name + " has no implementation");
}

}  // namespace lockstep
