// Which of this host's interfaces belong to a network: their names differ from host to host.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// The names of the interfaces that have an IPv4 address in one of `networks` (as in --network:
/// "10.0.0.0/8,192.168.1.0/24"), each once. Throws Error (config) if that is no list of networks, or there is
/// no such interface.
std::vector<std::string> interfaces_in(const std::string& networks);

/// Makes NCCL use these interfaces alone, as MPI does: sets NCCL_SOCKET_IFNAME, unless it is set.
void keep_nccl_on(const std::vector<std::string>& interfaces);

}  // namespace lockstep
