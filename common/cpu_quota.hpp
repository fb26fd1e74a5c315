// How much of the machine's CPUs a control group leaves to this process: containers and batch systems limit
// it without a word to sched_getaffinity().
#pragma once

#include <optional>
#include <string>

namespace lockstep {

/// CPU seconds a second of this process's control groups (version 2 or 1), the least of them and those above
/// them; nothing where there is no limit. `root` holds the system's files; tests have a folder of their own.
std::optional<double> cpu_quota(const std::string& root = "");

/// `cores`, or as many as the quota lets run all the time where that is fewer; at least 1.
int within_quota(int cores, const std::string& root = "");

}  // namespace lockstep
