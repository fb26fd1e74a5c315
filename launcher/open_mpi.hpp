// Which Open MPI the ranks are started by. Its version 5 knows other words than 4.1, and other programs are
// called mpirun too.
#pragma once

#include <string>

namespace lockstep {

/// 4 (for 4.1) or 5: what `mpirun --version` answered. Throws Error (config), which says whose program `path`
/// is, for every other version and program.
int open_mpi_of(const std::string& answer, const std::string& path);

/// The same of the mpirun that is first in PATH, which is asked once in this process. Throws Error (config)
/// that names the package where there is none.
int open_mpi_in_path();

/// Whether an mpirun has set this variable for a rank: another mpirun below it would take itself for one, and
/// end or look for a run that is over.
bool is_of_a_rank(const std::string& variable);

/// Removes such variables from this process. Throws Error (config) where an mpirun has started this program
/// several times, each of which would start all ranks.
void leave_outer_mpirun();

}  // namespace lockstep
