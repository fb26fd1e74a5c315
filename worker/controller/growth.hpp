// Runs that are resumed for more epochs than they began with.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "worker/step/workload.hpp"

namespace lockstep {

/// What a run has grown from when it resumes from the checkpoint with this manifest; the same on every rank.
struct Growth {
  /// Plan::grown_from: "PLAN HASH at step N" if the steps so far had other learning rates, or another SWA
  /// mean, than in an uninterrupted run of `workload`; else the value at the checkpoint.
  std::string from;
  std::string warning;  ///< for users; empty if it has not grown like this just now
};
Growth growth_since(const nlohmann::json& manifest, const Workload& workload);

}  // namespace lockstep
