// Runs that go on for more epochs than they were begun with.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "worker/step/workload.hpp"

namespace lockstep {

/// What a run has grown from, when it goes on from the checkpoint with this manifest; the same on every rank.
struct Growth {
  /// Plan::grown_from: "PLAN HASH at step N" where the steps so far had other learning rates, or another mean
  /// of SWA, than in a run of `workload` in one go; else as it was at the checkpoint.
  std::string from;
  std::string warning;  ///< for people; empty where it has not grown so just now
};
Growth growth_since(const nlohmann::json& manifest, const Workload& workload);

}  // namespace lockstep
