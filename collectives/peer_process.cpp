#include "collectives/peer_process.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include "common/log.hpp"
#include "common/proc_stat.hpp"

namespace lockstep {
namespace {

template <std::size_t size>
void copy_text(char (&to)[size], const std::string& from) {
  std::memset(to, 0, size);
  std::memcpy(to, from.data(), std::min(from.size(), size - 1));
}

}  // namespace

PeerProcess this_process() {
  PeerProcess self{};
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string boot_id;
  file >> boot_id;
  copy_text(self.boot_id, boot_id);
  struct stat name_space {};
  if (stat("/proc/self/ns/pid", &name_space) == 0) self.pid_namespace = name_space.st_ino;
  self.pid = getpid();
  self.start_ticks = read_proc_stat(folder_of_process(self.pid)).value_or(ProcStat{}).start_ticks;
  copy_text(self.host, host_name());
  return self;
}

bool has_ended(const PeerProcess& peer, const PeerProcess& self) {
  const bool visible = peer.boot_id[0] != 0 && peer.pid_namespace != 0 &&
                       std::strcmp(peer.boot_id, self.boot_id) == 0 &&
                       peer.pid_namespace == self.pid_namespace;
  if (!visible) return false;
  if (kill(static_cast<pid_t>(peer.pid), 0) != 0 && errno == ESRCH) return true;
  const auto task = read_proc_stat(folder_of_process(peer.pid));
  return task && (task->state == 'Z' || task->state == 'X' || task->start_ticks != peer.start_ticks);
}

std::string describe(const PeerProcess& peer) {
  return std::string(peer.host) + " (process " + std::to_string(peer.pid) + ")";
}

}  // namespace lockstep
