// Which process a rank is, so that ranks of the same host notice the end of one another without waiting for a
// deadline.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

namespace lockstep {

/// The identity of one rank's process. Trivially copyable: ranks send it to one another as bytes.
struct PeerProcess {
  char boot_id[40];             ///< of the running kernel: two hosts never share it
  std::uint64_t pid_namespace;  ///< within one kernel, a process id means something in its own namespace only
  std::uint64_t
      start_ticks;  ///< when the process started, so that a process id used again is not mistaken for it
  std::int64_t pid;
  char host[256];
};

/// The calling process.
PeerProcess this_process();

/// True when `peer` is visible from here (same kernel, same process id namespace as `self`) and has ended,
/// even if nobody has collected its exit status. False when it lives or cannot be seen.
bool has_ended(const PeerProcess& peer, const PeerProcess& self);

/// "node-3 (process 4711)".
std::string describe(const PeerProcess& peer);

}  // namespace lockstep
