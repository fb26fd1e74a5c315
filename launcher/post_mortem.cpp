#include "launcher/post_mortem.hpp"

#include <algorithm>
#include <deque>
#include <fstream>
#include <map>
#include <set>

namespace lockstep {
namespace {

constexpr std::size_t last_lines = 5;

std::deque<std::string> end_of_log(const std::string& run, int rank) {
  std::ifstream file(run + "/log/rank-" + std::to_string(rank) + ".log");
  std::deque<std::string> lines;
  for (std::string line; std::getline(file, line);) {
    lines.push_back(line);
    if (lines.size() > last_lines) lines.pop_front();
  }
  return lines;
}

/// Where no sentinel wrote that its rank had ended or was asked to, while those of other hosts did.
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

}  // namespace

std::string describe(const Finding& finding, const std::string& run) {
  auto text = finding.text;
  if (finding.trouble != Trouble::dead && finding.trouble != Trouble::out_of_memory) return text;
  const auto lines = end_of_log(run, finding.ranks.front());
  if (!lines.empty()) text += "; the last lines of its log:";
  for (const auto& line : lines) text += "\n    " + line;
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

std::vector<Finding> failures_in(const std::vector<RankStatus>& statuses) {
  const auto findings = diagnose({}, statuses, 0);
  return findings.empty() ? lost_hosts(statuses) : findings;
}

bool stopped_in_order(const std::vector<RankStatus>& statuses) {
  constexpr int by_signal = 128;
  return std::ranges::any_of(statuses, [](const auto& status) {
    return status.state == RankStatus::State::ended && status.signal == 0 && status.exit_code > by_signal;
  });
}

}  // namespace lockstep
