#include "launcher/ending_report.hpp"

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <sstream>

#include "launcher/reachability.hpp"

namespace lockstep {
namespace {

constexpr int not_loaded = 127;  // from the dynamic loader, and from shells for a command they do not find

std::string and_its_words(const Ending& ending) {
  if (ending.said.empty()) return "";
  std::istringstream lines(ending.said);
  std::string text = "; " + ending.program + " says:";
  for (std::string line; std::getline(lines, line);) text += "\n    " + line;
  return text;
}

std::string names_of(const std::vector<std::string>& hosts) {
  std::string text;
  for (const auto& host : hosts) text += (text.empty() ? "" : ", ") + host;
  return text;
}

bool could_not_start(const Ending& ending) {
  return is_mpiruns_own(ending.status) ||
         (ending.status > 128 && ending.said.find("unable to launch") != std::string::npos);
}

/// The dynamic loader has already named the library on standard error.
void report_not_loaded(const std::string& worker) {
  const auto torch = std::filesystem::path(worker).parent_path().parent_path() / "lib" / "torch";
  std::cerr << "lockstep: a rank could not load " << worker
            << " (a shared library was not found, see above) install it on each host; for libtorch_cpu.so, "
               "link the folder of the torch package to "
            << torch.string() << "\n";
}

}  // namespace

bool is_mpiruns_own(int status) { return status > 128 + SIGSYS; }

void report_no_start(const Launch& launch, const Ending& ending) {
  const auto silent = hosts_without_answer(launch);
  std::cerr << "lockstep: the ranks have not started within " << std::lround(*launch.start_seconds) << " s ("
            << (silent.empty()       ? "a rank, or a connection between the hosts, hangs"
                : silent.size() == 1 ? silent[0] + " does not answer"
                                     : names_of(silent) + " do not answer")
            << ") "
            << (launch.hosts.empty() || launch.starter == Starter::srun
                    ? "look with --verbose at what " + ending.program + " does"
                    : "try `ssh HOST true` for each host, and whether the hosts may open any port to "
                      "this one; --network names the network they share")
            << ", or give them longer with LOCKSTEP_START_SECONDS=1200" << and_its_words(ending) << "\n";
}

void report_ending(const Ending& ending, const Launch& launch) {
  const bool on_hosts = launch.starter == Starter::mpirun && !launch.hosts.empty();
  if (ending.forwarded_signal != 0) {
    std::cerr << "lockstep: stopped by " << strsignal(ending.forwarded_signal)
              << "; the same command goes on from the newest checkpoint\n";
  } else if (is_mpiruns_own(ending.status) && on_hosts) {
    std::cerr
        << "lockstep: a host was lost or could not be reached (exit code " << ending.status
        << " of mpirun) try `ssh HOST true` for each; the same command goes on from the newest checkpoint"
        << and_its_words(ending) << "\n";
  } else if (could_not_start(ending)) {
    std::cerr << "lockstep: " << ending.program << " could not start the ranks (exit code " << ending.status
              << ") the same command goes on from the newest checkpoint" << and_its_words(ending) << "\n";
  } else if (ending.status > 128) {
    std::cerr << "lockstep: a rank, or what started it, was ended by signal " << ending.status - 128 << " ("
              << strsignal(ending.status - 128) << "); the same command goes on from the newest checkpoint"
              << and_its_words(ending) << "\n";
  } else if (ending.status == not_loaded) {
    report_not_loaded(launch.worker);
  } else if (ending.status == 1) {
    std::cerr << "lockstep: the run ended with exit code 1" << and_its_words(ending)
              << (ending.said.empty() && !launch.verbose
                      ? "; if nothing above says why, --verbose lets mpirun explain"
                      : "")
              << "\n";
  }
}

}  // namespace lockstep
