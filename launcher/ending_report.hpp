// Tells users on standard error how a launch ended, where the ranks could not.
#pragma once

#include "launcher/mpirun.hpp"
#include "launcher/process.hpp"

namespace lockstep {

/// mpirun's own exit codes are above those of programs that were ended by a signal.
bool is_mpiruns_own(int status);

/// For a launch whose ranks did not start in time.
void report_no_start(const Launch& launch, const Ending& ending);

/// One line for endings that the ranks could not report themselves; nothing for others.
void report_ending(const Ending& ending, const Launch& launch);

}  // namespace lockstep
