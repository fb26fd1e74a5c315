#include "worker/controller/growth.hpp"

#include "common/stored_json.hpp"
#include "configs/load.hpp"
#include "configs/print.hpp"
#include "configs/value.hpp"
#include "worker/optim/averages.hpp"

namespace lockstep {
namespace {

/// Whether the first `steps` steps are the same in a run of either configuration.
bool begin_alike(const Config& a, const Extent& extent_of_a, const Config& b, const Extent& extent_of_b,
                 std::int64_t steps) {
  for (std::int64_t step = 0; step < steps; ++step) {
    if (learning_rate_at(a, extent_of_a, step, 0) != learning_rate_at(b, extent_of_b, step, 0)) return false;
  }
  for (std::int64_t epoch = 1; epoch <= steps / extent_of_a.steps_per_epoch; ++epoch) {
    if (enters_mean(a, epoch) != enters_mean(b, epoch)) return false;
  }
  return true;
}

}  // namespace

Growth growth_since(const nlohmann::json& manifest, const Workload& workload) {
  Growth growth{manifest.value("grown_from", ""), ""};
  if (!manifest.contains("config")) return growth;
  const auto& now = workload.config;
  const auto before = config_from_json(manifest["config"].dump());
  if (before.training.epochs == now.training.epochs) return growth;
  const auto step = manifest.at("step").get<std::int64_t>();
  const auto extent = extent_of(before, workload.data.train.count);
  if (begin_alike(before, extent, now, workload.extent, step)) return growth;
  growth.from = manifest.value("plan_hash", "") + " at step " + std::to_string(step);
  const auto drops = whole_number(manifest.value("decisions", nlohmann::json::object()), "drops", 0);
  const auto last = learning_rate_at(before, extent, step - 1, drops);
  growth.warning =
      "training.epochs has grown from " + std::to_string(before.training.epochs) + " to " +
      std::to_string(now.training.epochs) + " after step " + std::to_string(step) +
      ", and the schedule follows it (the learning rate was " + real_text(last) + " in that step, and is " +
      real_text(learning_rate_at(now, workload.extent, step, drops)) +
      " in the next) the result is not that of a run of " + std::to_string(now.training.epochs) +
      " epochs in one go, and its plan hash says so; for that one, begin it with another --output";
  return growth;
}

}  // namespace lockstep
