#include "worker/optim/optimizer.hpp"

#include "common/error.hpp"

namespace lockstep {

const Optimizer& optimizer_named(const std::string& name) {
  static const Optimizer optimizers[] = {
      {"sgd", {"momentum"}, update_sgd},
      {"adamw", {"exp_avg", "exp_avg_sq"}, update_adamw},
  };
  for (const auto& optimizer : optimizers) {
    if (optimizer.name == name) return optimizer;
  }
  throw Error(ExitCode::bug, "optimizer.name = " + name + " has no implementation");
}

}  // namespace lockstep
