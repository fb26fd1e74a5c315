// The hosts of a job, and what each rank reports about its own.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "collectives/mpi_transport.hpp"
#include "worker/check/report.hpp"

namespace lockstep {

/// One host of a job. Its first rank speaks for it.
struct CheckedHost {
  std::string name;
  std::vector<int> ranks;  ///< ascending
};

/// The hosts in the order of their first ranks; the same on all ranks.
std::vector<CheckedHost> hosts_of(const MpiTransport& transport);
/// The index in `hosts` of the host that `rank` speaks for; -1 if another rank speaks for it.
int host_spoken_for(const std::vector<CheckedHost>& hosts, int rank);

/// Collective: all-gathers every rank's `own`, in rank order. Throws CollectiveError.
std::vector<nlohmann::json> gather_json(Transport& transport, const nlohmann::json& own);

/// Collective: whether all ranks run the same program with the same libraries. Throws CollectiveError.
CheckResult check_programs(MpiTransport& transport);
/// Collective: cores, memory and GPUs of each host. Call it before ranks are bound to cores. Throws
/// CollectiveError.
CheckResult check_machines(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                           std::int64_t threads_per_rank);

}  // namespace lockstep
