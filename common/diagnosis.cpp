#include "common/diagnosis.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "common/evidence.hpp"

namespace lockstep {
namespace {

using State = RankStatus::State;

// A healthy run must never exceed these. A rank is called stuck once a phase takes 10 times as long as ever
// before (3 times if the rank does nothing at all), and a run slow once a step takes 5 times the median;
// never below 2 s, which a busy machine takes at times.
constexpr double stuck_times = 10, idle_times = 3;
constexpr double starved_times = 2;  // of a rank that gets no core
constexpr double slow_step_ms = 2000, slow_step_times = 5;
constexpr double slower_times = 2.5;  // as slow as the others, in two different steps
constexpr double slow_compute_times = 3, slow_compute_seconds = 1;

const std::string core_is_taken = ", because something else takes its core";

std::string in_seconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, seconds < 10 ? "%.1f s" : "%.0f s", seconds);
  return text;
}

std::string throttling(const RankStatus& status) {
  char heat[16] = "";
  if (status.gpu.health.temperature_celsius > 0)
    std::snprintf(heat, sizeof heat, " at %.0f C", status.gpu.health.temperature_celsius);
  return "its GPU throttles (" + slowed_by(status.gpu.health) + ")" + heat;
}

class Diagnosis {
 public:
  Diagnosis(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now, double seconds)
      : ranks_(before, now, seconds), now_(now) {}

  std::vector<Finding> make() {
    find_ended();
    if (findings_.empty()) find_silent_hosts();
    find_stopped();
    if (!findings_.empty()) return findings_;  // ranks that wait for these are not the cause
    find_stuck();
    if (findings_.empty()) find_slower_than_others();
    if (findings_.empty() && is_slow()) {
      find_slow_compute();
      if (findings_.empty() && !find_last_one_computing()) find_slow_link();
    }
    find_throttling();
    return findings_;
  }

 private:
  std::string and_who_waits(int rank) const {
    const int count = ranks_.waiting_for(rank);
    if (count == 0) return "";
    return "; " + std::to_string(count) + (count == 1 ? " rank waits" : " ranks wait") + " for it";
  }
  void add(Trouble trouble, const RankStatus& status, const std::string& text) {
    findings_.push_back(finding_on(trouble, status, text));
  }

  void find_ended() {
    std::vector<const RankStatus*> failed;
    for (const auto& status : now_) {
      if (status.failed()) failed.push_back(&status);
    }
    std::ranges::sort(failed, {}, [](const auto* status) { return status->written; });
    for (const auto* status : failed) findings_.push_back(failure_of(*status));
  }

  /// Adds the GPUs that no finding names yet: where all are hot, no rank is slower than the others.
  void find_throttling() {
    for (const auto& status : now_) {
      const bool named = std::ranges::any_of(findings_, [&](const auto& finding) {
        return std::ranges::find(finding.ranks, status.rank) != finding.ranks.end();
      });
      if (!named && status.state == State::running && ranks_.throttles(status))
        add(Trouble::gpu_throttles, status, ": " + throttling(status) + and_who_waits(status.rank));
    }
  }

  /// Adds a slow rank; if its GPU throttles, that is the reason given, and not `why`.
  void add_slow(const RankStatus& status, const std::string& text, const std::string& why) {
    const bool by_gpu = ranks_.throttles(status);
    add(by_gpu ? Trouble::gpu_throttles : Trouble::slow_compute, status,
        text + (by_gpu ? ", because " + throttling(status) : why) + and_who_waits(status.rank));
  }

  void find_silent_hosts() {
    std::map<std::string, std::vector<const RankStatus*>> by_host;
    bool anybody = false;
    for (const auto& status : now_) {
      by_host[status.host].push_back(&status);
      anybody = anybody || (status.state != State::ended && !ranks_.silent(status));
    }
    if (!anybody) return;  // the run is over, or its files cannot be read
    // No step completes without every rank: only the sentinel was stopped or lost.
    if (std::ranges::any_of(now_, [&](const auto& status) {
          const auto* before = ranks_.before(status.rank);
          return !ranks_.silent(status) && before && before->step < status.step;
        }))
      return;
    for (const auto& [host, statuses] : by_host) {
      const auto silent_here =
          std::ranges::count_if(statuses, [&](const auto* s) { return ranks_.silent(*s); });
      if (silent_here == 0) continue;
      if (silent_here < std::ssize(statuses)) {
        for (const auto* status : statuses) {
          if (ranks_.silent(*status))
            add(Trouble::dead, *status, " and its sentinel are gone without a word" + at_work(*status));
        }
        continue;
      }
      Finding finding{Trouble::host_lost, {}, host, host + " is silent: it has crashed, or is cut off ("};
      for (const auto* status : statuses) finding.ranks.push_back(status->rank);
      finding.text += std::to_string(statuses.size()) + (statuses.size() == 1 ? " rank" : " ranks") +
                      ", last" + at_work(*statuses.front()) + ")";
      findings_.push_back(finding);
    }
  }

  void find_stopped() {
    for (const auto& status : now_) {
      if (status.state != State::stopped || ranks_.silent(status)) continue;
      add(Trouble::stopped, status, " is stopped by a signal" + at_work(status) + and_who_waits(status.rank));
    }
  }

  /// A rank is stuck if it stays in a phase for far longer than ever before; an idle one is called stuck
  /// sooner. One that merely gets no core is slow, not stuck.
  void find_stuck() {
    for (const auto& status : now_) {
      if (status.state != State::running || Evidence::waits(status) || status.usual_seconds == 0) continue;
      if (ranks_.gets_no_core(status)) continue;
      // Messages, disks and saves can take long while the rank itself does nothing.
      const bool idle =
          Evidence::stands_still(status) &&
          (!status.awaits.empty() || (status.phase != "exchange" && status.phase != "checkpoint"));
      const double times = idle ? idle_times : stuck_times;
      if (status.phase_seconds < std::max(stuck_seconds, times * status.usual_seconds)) continue;
      if (now_.size() > 1 && ranks_.waiting_for(status.rank) == 0) continue;
      add(Trouble::stuck, status,
          " is stuck" + at_work(status) + " for " + in_seconds(status.phase_seconds) +
              (status.on_disk ? ", waiting for a disk or a file system" : "") + and_who_waits(status.rank));
    }
  }

  /// Compared with the median step so far.
  bool is_slow() const {
    return std::ranges::any_of(now_, [](const auto& status) {
      return status.usual_step_ms > 0 &&
             status.step_ms > std::max(slow_step_ms, slow_step_times * status.usual_step_ms);
    });
  }

  void add_slow_compute(const RankStatus& status, const std::string& why) {
    char times[16];
    std::snprintf(times, sizeof times, "%.1f", ranks_.slowness(status));
    add_slow(status, std::string(" computes ") + times + " times as slowly as the others", why);
  }

  /// A rank that was slower at both looks, in different steps, or whose core is taken by something else. It
  /// may be waiting itself at the moment, and may have been slow from the start, so that the run's own pace
  /// does not show it.
  void find_slower_than_others() {
    for (const auto& status : now_) {
      const auto* before = ranks_.before(status.rank);
      if (ranks_.waiting_for(status.rank) == 0 || !before) continue;
      const auto times = std::min(ranks_.slowness_before(*before), ranks_.slowness(status));
      const bool starved = ranks_.got_no_core(status);
      const bool twice = before->usual_step_ms > 0 && before->step < status.step;
      if ((starved && times >= starved_times) || (twice && times >= slower_times))
        add_slow_compute(status, starved ? core_is_taken : "");
    }
  }

  void find_slow_compute() {
    for (const auto& status : now_) {
      if (!Evidence::waits(status) && ranks_.slowness(status) >= slow_compute_times)
        add_slow_compute(status, "");
    }
  }

  /// Whether all other ranks wait for a single one that waits for nobody and computes. It is called slow if
  /// it does so for long; otherwise it may just be between two long waits for messages, or idle.
  bool find_last_one_computing() {
    const RankStatus* only = nullptr;
    for (const auto& status : now_) {
      if (Evidence::waits(status)) continue;
      if (only) return false;
      only = &status;
    }
    if (!only || ranks_.waiting_for(only->rank) == 0) return false;
    const bool starved = ranks_.got_no_core(*only);
    if (only->phase == "exchange" && !starved) return false;
    const bool on_data = only->on_disk && only->phase == "data";  // loading data is not computing
    const bool for_find_stuck = (only->idle_seconds > 0 || on_data) && only->usual_seconds > 0;
    if (!starved &&
        (for_find_stuck ||
         only->phase_seconds < std::max(slow_compute_seconds, slow_compute_times * only->usual_seconds)))
      return true;
    add_slow(*only, " is slow" + at_work(*only),
             starved ? core_is_taken : ", for " + in_seconds(only->phase_seconds));
    return true;
  }

  /// A link is slow if every wait between hosts involves the same host, or the same pair of hosts.
  void find_slow_link() {
    std::map<int, std::string> host_of;
    for (const auto& status : now_) host_of[status.rank] = status.host;
    std::set<std::pair<std::string, std::string>> links;  // in alphabetical order
    for (const auto& status : now_) {
      for (const int peer : status.awaits) {
        if (host_of.contains(peer) && host_of[peer] != status.host)
          links.insert(std::minmax(status.host, host_of[peer]));
      }
    }
    if (links.empty()) return;
    std::vector<std::string> common;
    for (const auto& host : {links.begin()->first, links.begin()->second}) {
      if (std::ranges::all_of(links, [&](const auto& w) { return w.first == host || w.second == host; }))
        common.push_back(host);
    }
    if (common.empty()) return;
    Finding finding{Trouble::slow_link, {}, common.front(), ""};
    bool anybody_waits = false;
    if (common.size() == 2) finding.host += " and " + common.back();
    for (const auto& status : now_) {
      if (std::ranges::find(common, status.host) == common.end()) continue;
      // A rank at a slow link waits for it; if one there computes, the others may be waiting for that.
      if ((!Evidence::waits(status) && status.phase != "exchange") || ranks_.gets_no_core(status)) return;
      if (status.idle_seconds > 0) return;  // it may be stuck, which takes longer to establish
      finding.ranks.push_back(status.rank);
      anybody_waits = anybody_waits || Evidence::waits(status);
    }
    if (!anybody_waits) return;
    finding.text = (common.size() == 2 ? "the link between " : "the link of ") + finding.host +
                   " is slow or cut: all ranks wait for bytes" + at_work(now_.front());
    findings_.push_back(finding);
  }

  Evidence ranks_;
  const std::vector<RankStatus>& now_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> diagnose(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now,
                              double seconds) {
  return Diagnosis(before, now, seconds).make();
}

bool is_under_way(const std::vector<RankStatus>& before, const std::vector<RankStatus>& now) {
  std::map<int, std::int64_t> beats;
  for (const auto& status : before) beats[status.rank] = status.beat;
  return std::ranges::any_of(now, [&](const auto& status) {
    const auto found = beats.find(status.rank);
    return status.state != State::ended && (found == beats.end() || found->second != status.beat);
  });
}

}  // namespace lockstep
