// The plan: what rank 0 has read and decided, in the form in which all ranks get it.
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

/// A part of a run that has been computed.
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
  std::string data = {};  ///< where the data lie; empty: at config.data.path, which stays what the run is
  /// Of a run that has grown so that it is no longer the run in one go that its settings describe
  /// (growth.hpp): what it was before.
  std::string grown_from = {};

  /// Identifies what decides the result: the settings that can change it, and what the run has grown from.
  Hash128 hash() const;
};

/// Collective: `make` runs on rank 0 only; everybody gets its plan and all agree on the hash. When it throws
/// Error, all ranks throw Error with that exit code (the message on rank 0 only). Throws Error
/// (config) when ranks differ in the plan.
Plan share_plan(Transport& transport, const std::function<Plan()>& make);

}  // namespace lockstep
