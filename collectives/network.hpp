// Which of this host's interfaces belong to a network: they are called differently from host to host.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// The names of the interfaces that have an IPv4 address in one of `networks`, "10.0.0.0/8,192.168.1.0/24" as
/// in
/// --network, each once. Throws Error (config) where that is no list of networks, and where there is no such
/// interface.
std::vector<std::string> interfaces_in(const std::string& networks);

/// NCCL finds its peers over these alone, as MPI does: sets NCCL_SOCKET_IFNAME, unless somebody has.
void keep_nccl_on(const std::vector<std::string>& interfaces);

}  // namespace lockstep
