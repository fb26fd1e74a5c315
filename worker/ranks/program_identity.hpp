// What this process runs, as ranks and checks compare it.
#pragma once

#include <string>

#include "collectives/transport.hpp"

namespace lockstep {

/// XXH3 of the file that this process runs, in hexadecimal.
std::string program_hash();

/// "Open MPI v4.1.4".
std::string mpi_version();

/// Collective: throws Error (config) unless all ranks run the same program with the same libraries and the
/// same arguments. To be called before anything else travels, which could differ in form.
void require_same_programs(Transport& transport, const std::string& arguments);

}  // namespace lockstep
