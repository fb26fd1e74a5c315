// The CPU quota that control groups set for this process. Containers and batch systems limit CPU time this
// way, which sched_getaffinity() does not show.
#pragma once

#include <optional>
#include <string>

namespace lockstep {

/// CPU seconds per second: the smallest quota of this process's control groups (version 2 or 1) and their
/// ancestors; nothing if there is no limit. `root` stands for / in tests.
std::optional<double> cpu_quota(const std::string& root = "");

/// `cores`, or as many as the quota can keep busy if that is fewer; at least 1.
int within_quota(int cores, const std::string& root = "");

}  // namespace lockstep
