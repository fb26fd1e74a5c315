// `lockstep check`: what can be found wrong with hosts and configuration before a run is.
#pragma once

#include "collectives/mpi_transport.hpp"
#include "worker/controller/request.hpp"

namespace lockstep {

/// How long a check waits for a rank that does not answer, data and numerics apart.
inline constexpr auto deadline_of_check = std::chrono::seconds(25);

/// Collective: looks at programs, machines, network, clocks, devices, data, run folder and numerics, and says
/// on rank 0 what it finds, as it finds it. Data and run folder are left out where `request` names none.
/// Trains nothing and leaves nothing behind. Returns the exit status: 0, or ExitCode::config when a check
/// failed. Throws ConfigError, and CollectiveError that names a rank that does not answer.
int check_hosts(MpiTransport& transport, const Request& request);

}  // namespace lockstep
