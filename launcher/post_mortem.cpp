#include "launcher/post_mortem.hpp"

#include <algorithm>
#include <csignal>
#include <cstring>
#include <deque>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "common/printable.hpp"
#include "common/small_file.hpp"

namespace lockstep {
namespace {

constexpr std::size_t last_lines = 5;

std::deque<std::string> end_of_log(const std::string& run, int rank) {
  const auto path = run + "/log/rank-" + std::to_string(rank) + ".log";
  std::deque<std::string> lines;
  if (!why_not_regular(path).empty()) return lines;  // opening a FIFO would block until there is a writer
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > last_lines) lines.pop_front();
  }
  return lines;
}

/// Hosts on which no sentinel recorded that its rank had ended or was asked to, while those of other hosts
/// did.
std::vector<Finding> lost_hosts(const std::vector<RankStatus>& statuses) {
  std::map<std::string, Finding> lost;
  std::set<std::string> heard;
  for (const auto& status : statuses) {
    if (status.state == RankStatus::State::ended || status.asked) {
      heard.insert(status.host);
      continue;
    }
    auto& finding = lost[status.host];
    finding.trouble = Trouble::host_lost;
    finding.host = status.host;
    finding.ranks.push_back(status.rank);
    finding.text = status.host + " was lost, in " + status.phase + " of step " +
                   std::to_string(status.step + 1) + ": it has crashed, or was cut off";
  }
  std::vector<Finding> findings;
  for (const auto& [host, finding] : lost) {
    if (!heard.contains(host) && !heard.empty()) findings.push_back(finding);
  }
  return findings;
}

std::string signal_in_words(int signal) {
  return "signal " + std::to_string(signal) + ", " + strsignal(signal);
}

/// `status` tells the phase.
std::string lost_in_words(const std::string& program, const RankStatus* status, const std::string& why) {
  const bool in_step = status && status->phase != "start-up" && status->phase != "the end";
  return program + " was lost, in " + (status ? status->phase : "start-up") +
         (in_step ? " of step " + std::to_string(status->step + 1) : "") +
         ": it was killed or has crashed (" + why + ")";
}

/// The loss of what started the ranks: the daemon of a host, or mpirun itself if all ranks have lost theirs.
std::vector<Finding> lost_starter(const std::vector<RankStatus>& statuses) {
  Finding finding{Trouble::host_lost, {}, "", ""};
  const RankStatus* first = nullptr;
  std::set<std::string> hosts;
  for (const auto& status : statuses) {
    if (!status.lost_its_starter()) continue;
    if (!first) first = &status;
    hosts.insert(status.host);
    finding.ranks.push_back(status.rank);
  }
  if (!first) return {};
  const bool all = finding.ranks.size() == statuses.size();
  if (!all && hosts.size() == 1) finding.host = *hosts.begin();
  const auto in_rank = " in rank " + std::to_string(first->rank);
  finding.text = lost_in_words(
      all ? "mpirun" : "mpirun's daemon on " + first->host, first,
      first->signal != 0 ? signal_in_words(first->signal) + in_rank
                         : "exit code " + std::to_string(first->exit_code) + " of Open MPI" + in_rank);
  return {finding};
}

/// If mpirun is lost, ranks end in various ways, also by SIGKILL; only errors of their own tell anything
/// then.
std::vector<Finding> without_starter(std::vector<RankStatus> statuses, const Ending& ending) {
  const auto* first = statuses.empty() ? nullptr : &statuses.front();
  std::vector<Finding> findings = {
      {Trouble::host_lost, {}, "", lost_in_words(ending.program, first, signal_in_words(ending.own_signal))}};
  for (const auto& status : statuses) findings[0].ranks.push_back(status.rank);
  std::erase_if(statuses, [](const auto& status) {
    return status.state != RankStatus::State::ended || (status.signal == SIGKILL && !status.out_of_memory);
  });
  std::ranges::move(diagnose({}, statuses, 0), std::back_inserter(findings));
  return findings;
}

}  // namespace

std::string describe(const Finding& finding, const std::string& run) {
  auto text = finding.text;
  if (finding.trouble != Trouble::dead && finding.trouble != Trouble::out_of_memory) return text;
  const auto lines = end_of_log(run, finding.ranks.front());
  if (!lines.empty()) text += "; the last lines of its log:";
  for (const auto& line : lines) text += "\n    " + printable(line);
  return text;
}

std::vector<RankStatus> statuses_since(const std::string& run, const std::vector<RankStatus>& earlier) {
  auto statuses = read_rank_statuses(run);
  std::erase_if(statuses, [&](const auto& status) {
    return std::ranges::any_of(earlier, [&](const auto& before) {
      return before.rank == status.rank && before.pid == status.pid && before.written == status.written;
    });
  });
  return statuses;
}

std::vector<Finding> failures_in(const std::vector<RankStatus>& statuses, const Ending& ending) {
  if (ending.was_lost()) return without_starter(statuses, ending);
  if (auto findings = diagnose({}, statuses, 0); !findings.empty()) return findings;
  if (auto findings = lost_starter(statuses); !findings.empty()) return findings;
  return lost_hosts(statuses);
}

bool stopped_in_order(const std::vector<RankStatus>& statuses, const Ending& ending) {
  constexpr int killed = 128 + SIGKILL;
  const auto lost = [](const auto& status) { return status.failed() || status.lost_its_starter(); };
  // mpirun's daemons ask ranks to end before they end themselves; whether it was a daemon shows in what else
  // was lost.
  if (ending.was_lost() || ending.status == killed || std::ranges::any_of(statuses, lost)) return false;
  return std::ranges::any_of(statuses, [](const auto& status) { return status.left_in_order(); });
}

}  // namespace lockstep
