#include "collectives/peer_process.hpp"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <sstream>

#include "common/log.hpp"

namespace lockstep {
namespace {

struct ProcessStat {
  bool readable = false;
  char state = '?';
  std::uint64_t start_ticks = 0;
};

// Fields 3 and 22 of /proc/PID/stat, see proc(5). The name in field 2 may hold blanks and brackets.
ProcessStat read_stat(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto name_end = text.rfind(')');
  if (name_end == std::string::npos) return {};
  std::istringstream fields(text.substr(name_end + 1));
  ProcessStat stat{.readable = true};
  fields >> stat.state;
  std::string skipped;
  for (int field = 4; field < 22; ++field) fields >> skipped;
  fields >> stat.start_ticks;
  return stat;
}

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
  self.start_ticks = read_stat(self.pid).start_ticks;
  copy_text(self.host, host_name());
  return self;
}

bool has_ended(const PeerProcess& peer, const PeerProcess& self) {
  const bool visible = peer.boot_id[0] != 0 && peer.pid_namespace != 0 &&
                       std::strcmp(peer.boot_id, self.boot_id) == 0 &&
                       peer.pid_namespace == self.pid_namespace;
  if (!visible) return false;
  if (kill(static_cast<pid_t>(peer.pid), 0) != 0 && errno == ESRCH) return true;
  const auto stat = read_stat(peer.pid);
  if (!stat.readable) return false;
  return stat.state == 'Z' || stat.state == 'X' || stat.start_ticks != peer.start_ticks;
}

std::string describe(const PeerProcess& peer) {
  return std::string(peer.host) + " (process " + std::to_string(peer.pid) + ")";
}

}  // namespace lockstep
