// Identifies the program that this process runs; ranks and checks compare it.
#pragma once

#include <string>

#include "collectives/transport.hpp"

namespace lockstep {

/// XXH3 of the file that this process runs, in hexadecimal.
std::string program_hash();

/// "Open MPI v4.1.4".
std::string mpi_version();

/// Collective: throws Error (config) unless all ranks run the same program with the same libraries and the
/// same arguments. Call before any other message, whose form may differ between programs.
void require_same_programs(Transport& transport, const std::string& arguments);

}  // namespace lockstep
