// What this process runs, as ranks and checks compare it.
#pragma once

#include <string>

namespace lockstep {

/// XXH3 of the file that this process runs, in hexadecimal.
std::string program_hash();

/// "Open MPI v4.1.4".
std::string mpi_version();

}  // namespace lockstep
