// How a run ended, according to its run folder: which rank failed first, and the last lines of its log.
#pragma once

#include <string>
#include <vector>

#include "common/diagnosis.hpp"
#include "launcher/process.hpp"

namespace lockstep {

/// The finding's text, followed by the last lines of the log if a rank died or ran out of memory.
std::string describe(const Finding& finding, const std::string& run);

/// The statuses that sentinels have written since `earlier` was read, independent of the hosts' clocks.
std::vector<RankStatus> statuses_since(const std::string& run, const std::vector<RankStatus>& earlier);

/// The failures, once the ranks have ended: the first one, and those that are not a consequence of it; or
/// the loss of mpirun (host "") or of one of its daemons (its host); or the hosts that were lost. Empty if
/// neither the statuses nor `ending`, that of mpirun or srun, show a failure.
std::vector<Finding> failures_in(const std::vector<RankStatus>& statuses, const Ending& ending = {});

/// Whether the ranks left in an orderly way after a signal, having saved: no rank was lost, nor mpirun or
/// srun.
bool stopped_in_order(const std::vector<RankStatus>& statuses, const Ending& ending);

}  // namespace lockstep
