// The version of Open MPI that starts the ranks: 5 has other options than 4.1, and other MPIs have an
// mpirun, too.
#pragma once

#include <string>

namespace lockstep {

/// 4 (for 4.1) or 5, from the answer of `mpirun --version`. For any other version or program throws Error
/// (config), which says what `path` is.
int open_mpi_of(const std::string& answer, const std::string& path);

/// The same for the first mpirun in PATH, asked once per process. If there is none, throws Error (config),
/// which names the package.
int open_mpi_in_path();

/// Whether mpirun sets this variable for its ranks. Another mpirun that inherits it would take itself for a
/// rank, and fail or look for a job that is over.
bool is_of_a_rank(const std::string& variable);

/// Removes such variables from this process. Throws Error (config) if an mpirun has started several copies
/// of this program, each of which would start all ranks.
void leave_outer_mpirun();

}  // namespace lockstep
