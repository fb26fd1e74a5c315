// `lockstep check`: finds problems of hosts and configuration before a run starts.
#pragma once

#include "collectives/mpi_transport.hpp"
#include "worker/controller/request.hpp"

namespace lockstep {

/// How long a check waits for a rank that does not answer, except in the checks of data and numerics.
inline constexpr auto deadline_of_check = std::chrono::seconds(25);

/// Collective: checks programs, machines, network, clocks, devices, data, run folder and numerics, and prints
/// each finding on rank 0 as it comes. Skips data and run folder if `request` names none. Trains nothing and
/// leaves nothing behind. Returns the exit status: 0, or ExitCode::config if a check failed. Throws
/// ConfigError, and CollectiveError that names a rank that does not answer.
int check_hosts(MpiTransport& transport, const Request& request);

}  // namespace lockstep
