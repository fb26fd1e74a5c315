// What a run folder tells of the end of a run: which rank failed first, and its last words.
#pragma once

#include <string>
#include <vector>

#include "common/diagnosis.hpp"
#include "launcher/process.hpp"

namespace lockstep {

/// The finding's text, and under it the last lines of the log of a rank that died or ran out of memory.
std::string describe(const Finding& finding, const std::string& run);

/// What the sentinels have written since the statuses were `earlier`, whatever the hosts' clocks say.
std::vector<RankStatus> statuses_since(const std::string& run, const std::vector<RankStatus>& earlier);

/// Once the ranks have ended: the first failure, then those that are no consequence of it; or that mpirun or
/// a daemon of it was lost (its host; "" for mpirun); or the hosts that were lost. Empty where the statuses
/// tell of none, nor `ending`, how mpirun or srun ended.
std::vector<Finding> failures_in(const std::vector<RankStatus>& statuses, const Ending& ending = {});

/// Whether the ranks left because a signal had asked one of them to, and saved: none was lost, nor mpirun or
/// srun, which ended so.
bool stopped_in_order(const std::vector<RankStatus>& statuses, const Ending& ending);

}  // namespace lockstep
