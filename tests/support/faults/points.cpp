#include "tests/support/faults/points.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>

namespace lockstep::faults {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

struct Settings {
  std::string log = environment("FAULT_LOG"), point = environment("FAULT_POINT"),
              kind = environment("FAULT_KIND"), rank = environment("OMPI_COMM_WORLD_RANK");
  bool lists = point.empty(), active = environment("FAULT_UNDER") != "" && rank != "" &&
                                       (lists || rank == environment("FAULT_RANK"));
};

// Neither object is ever destroyed: until the process has ended, files are closed and so points are reached.
const Settings& settings() {
  static const auto& read = *new Settings;
  return read;
}

std::string numbered(const std::string& name) {
  static auto& times = *new std::map<std::string, int>;
  static auto& guard = *new std::mutex;
  const std::lock_guard lock(guard);
  return name + " #" + std::to_string(++times[name]);
}

void add_to_log(const std::string& line) {
  const int file = open(settings().log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (file < 0 || write(file, line.data(), line.size()) < 0) abort();
  close(file);
}

std::atomic<bool> links_are_cut = false;

Order hurt(const std::string& kind) {
  if (kind == "kill") die();
  if (kind == "stop") kill(getpid(), SIGSTOP);
  if (kind == "cut") links_are_cut = true;
  if (kind == "enospc") return {ENOSPC};
  if (kind == "eio") return {EIO};
  return {0, kind == "torn"};
}

}  // namespace

Order reach(const std::string& operation, const std::string& what) {
  if (!settings().active) return {};
  const auto name = numbered(operation + " " + what);
  if (settings().lists) {
    add_to_log(settings().rank + " " + name + "\n");
    return {};
  }
  if (name != settings().point) return {};
  add_to_log(std::to_string(getpid()) + " " + name + "\n");
  return hurt(settings().kind);
}

void die() {
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

bool is_cut() { return links_are_cut; }

}  // namespace lockstep::faults

void lockstep_reach_phase(const char* phase) { lockstep::faults::reach("phase", phase); }
