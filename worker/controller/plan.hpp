// The plan: what rank 0 has read and decided, in the form that all ranks receive.
#pragma once

#include <functional>
#include <string>

#include "collectives/transport.hpp"
#include "common/hash.hpp"
#include "configs/config.hpp"

namespace lockstep {

enum class Task {
  train,
  evaluate,
  nothing,  ///< the run is complete
  check,    ///< look at the hosts, and train nothing
  verify,   ///< compute Plan::segment of a run again, and compare
};

/// A part of a run that has already been computed.
struct Segment {
  std::string from;                 ///< the checkpoint before it; empty: the initial weights
  std::string to;                   ///< the checkpoint after it; empty: the end of the run
  std::int64_t begin = 0, end = 0;  ///< steps done before and after it
};

struct Plan {
  Config config;
  Task task = Task::train;
  std::string output;     ///< the run folder, absolute
  Segment segment = {};   ///< of Task::verify
  std::string data = {};  ///< where the data lie now; empty: at config.data.path, which stays as it is
  /// What the run was before it grew, if it is no longer equal to an uninterrupted run with its settings
  /// (growth.hpp).
  std::string grown_from = {};

  /// Identifies what decides the result: the settings that can change it, and what the run has grown from.
  Hash128 hash() const;
};

/// Collective: `make` runs on rank 0 only; all ranks receive its plan and compare the hash. If `make` throws
/// Error, all ranks throw Error with that exit code (the message on rank 0 only). Throws Error (config) if
/// ranks differ in the plan, CollectiveError.
Plan share_plan(Transport& transport, const std::function<Plan()>& make);

}  // namespace lockstep
