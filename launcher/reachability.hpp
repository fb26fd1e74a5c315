// Which hosts of a launch still answer.
#pragma once

#include <string>
#include <vector>

#include "launcher/mpirun.hpp"

namespace lockstep {

/// The launch's hosts on which the remote shell, or srun, cannot run `true` within 5 s; all are tried in
/// parallel. Empty for a launch on this machine.
std::vector<std::string> hosts_without_answer(const Launch& launch);

}  // namespace lockstep
