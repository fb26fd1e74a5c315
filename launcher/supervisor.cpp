#include "launcher/supervisor.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/checkpoint_name.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/printable.hpp"
#include "common/set_aside.hpp"
#include "launcher/failed_gpus.hpp"
#include "launcher/hosts.hpp"
#include "launcher/post_mortem.hpp"
#include "launcher/reachability.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

constexpr double first_pause_seconds = 5, longest_pause_seconds = 300;
constexpr int failures_in_a_row_of_a_host = 2;
constexpr int killed = 128;  // and above: 128 + the signal

/// The name of the newest published checkpoint; "" if there is none.
std::string newest_checkpoint(const std::string& run) {
  std::string newest;
  std::error_code none;
  for (const auto& item : fs::directory_iterator(run + "/checkpoint", none)) {
    const auto name = item.path().filename().string();
    if (is_checkpoint_name(name) && is_newer_checkpoint(name, newest)) newest = name;
  }
  return newest;
}

/// The exit code of a failed GPU without a status that tells of one: no working GPU was visible to the
/// ranks.
bool shown_none_that_works(const Ending& ending, const std::vector<RankStatus>& statuses) {
  return ending.status == static_cast<int>(ExitCode::gpu_failed) &&
         std::ranges::none_of(statuses, [](const auto& status) { return !status.gpu_failure.empty(); });
}

class Supervisor {
 public:
  Supervisor(Launch launch, Supervision supervision)
      : launch_(std::move(launch)), supervision_(std::move(supervision)) {}

  Ending run() {
    leave_out_what_failed_before();
    for (;;) {
      const auto before = newest_checkpoint(supervision_.run);
      const auto earlier = read_rank_statuses(supervision_.run);
      const auto ending = run_to_end(command_for(launch_));
      if (is_final(ending) || supervision_.run.empty()) return ending;
      const auto statuses = statuses_since(supervision_.run, earlier);
      const bool never_began = statuses.empty() && restarts_ == 0;
      if ((never_began && !killed_at_start(ending)) || stopped_in_order(statuses, ending)) return ending;
      const auto failures = failures_in(statuses, ending);
      const auto silent = hosts_without_answer(launch_);
      const bool progress = newest_checkpoint(supervision_.run) != before;
      if (!may_go_on(ending, failures, silent, progress) || shown_none_that_works(ending, statuses))
        return ending;
      for (const auto& failure : failures) say(describe(failure, supervision_.run));
      const auto failed = failed_gpus(statuses, filled(launch_.hosts, launch_.ranks));
      const auto out = doubts_.to_leave_out(failed);
      if (blames_program()) return {static_cast<int>(ExitCode::gpu_failed)};
      restarts_ = progress ? 1 : restarts_ + 1;
      if (restarts_ > supervision_.max_restarts) {
        if (supervision_.max_restarts > 0)
          say("giving up after " + std::to_string(supervision_.max_restarts) +
              " restarts without a newer checkpoint (reliability.max_restarts)");
        return ending;
      }
      if (out.empty() && !failed.empty())
        say("keeping " + failed[0].gpu.name() + " of " + failed[0].gpu.host +
            ", since it may be a mistake of the program; it is left out if that comes back");
      if (!take_out(ending, failures, silent) || !leave_gpus_out(out)) return ending;
      // Once the ranks have started, the folder holds this run, which the next start continues.
      if (!statuses.empty()) std::erase(launch_.worker_arguments, "--fresh");
      pause(progress);
    }
  }

 private:
  void say(const std::string& text) const {
    std::cerr << "lockstep: " << printable(text, LineFeeds::kept) << std::endl;
  }

  /// Endings that another start would only repeat, and that the ranks have explained themselves.
  bool is_final(const Ending& ending) const {
    constexpr std::array codes = {ExitCode::success, ExitCode::config, ExitCode::io, ExitCode::bug,
                                  ExitCode::diverged};
    return ending.forwarded_signal != 0 ||
           std::ranges::any_of(codes, [&](ExitCode code) { return ending.status == static_cast<int>(code); });
  }

  /// Whether mpirun was killed before any rank had started. Any other failure to start, such as a wrong host
  /// name, would only repeat. With srun it could also be a rank that was killed because another had left.
  bool killed_at_start(const Ending& ending) const {
    return launch_.starter == Starter::mpirun && ending.status == killed + SIGKILL && !ending.never_started;
  }

  bool may_go_on(const Ending& ending, const std::vector<Finding>& failures,
                 const std::vector<std::string>& silent, bool progress) const {
    const auto left_with = [&](ExitCode code) { return ending.status == static_cast<int>(code); };
    if (left_with(ExitCode::out_of_memory))
      return progress;  // a step that has never fitted will not fit next time
    if (!silent.empty() || left_with(ExitCode::peer_lost) || left_with(ExitCode::corrupt) ||
        left_with(ExitCode::gpu_failed) || ending.status > killed)
      return true;
    return std::ranges::any_of(failures, [](const auto& failure) {
      return failure.trouble == Trouble::host_lost || failure.trouble == Trouble::out_of_memory ||
             failure.trouble == Trouble::gpu_failed;
    });
  }

  /// False if nothing is left to run on. With fewer ranks each gets more of a host's memory, but not of a
  /// device's.
  bool take_out(const Ending& ending, const std::vector<Finding>& failures,
                const std::vector<std::string>& silent) {
    const bool killed_by_kernel = ending.status != static_cast<int>(ExitCode::out_of_memory);
    std::map<std::string, std::string> out;  // host -> reason
    for (const auto& host : silent) out[host] = "it does not answer";
    const auto aside = set_aside_in(read_set_aside_text(supervision_.run));
    for (const auto& entry : aside.hosts) out[entry.host] = "it computed wrongly";
    std::map<std::string, int> failed_now;
    for (const auto& failure : failures) {
      if (failure.trouble == Trouble::gpu_failed) continue;  // the GPU is left out, not its host
      failed_now[failure.host] = failed_[failure.host] + 1;
      if (failed_now[failure.host] >= failures_in_a_row_of_a_host && launch_.hosts.size() > 1)
        out.try_emplace(failure.host,
                        "it has failed " + std::to_string(failed_now[failure.host]) + " times in a row");
      if (failure.trouble == Trouble::out_of_memory && killed_by_kernel) leave_one_rank_out(failure.host);
      break;  // only the first: the others may be consequences
    }
    failed_ = std::move(failed_now);
    return launch_.hosts.empty() ? stay_here(out) : set_aside(out);
  }

  bool stay_here(const std::map<std::string, std::string>& out) const {
    if (out.empty()) return true;
    say(out.begin()->first + " is the only host (" + out.begin()->second + ")");
    return false;
  }

  bool set_aside(const std::map<std::string, std::string>& out) {
    for (const auto& [host, why] : out) {
      const auto gone =
          std::erase_if(launch_.hosts, [&, &name = host](const auto& h) { return h.name == name; });
      if (gone > 0) say("setting " + host + " aside (" + why + ")");
    }
    const int room = total_slots(launch_.hosts);
    launch_.ranks = std::min(launch_.ranks, room);
    if (room == 0) say("no host is left");
    return room > 0;
  }

  /// Leaves out GPUs that failed in earlier starts of the run. A fresh run gets a new folder, without a
  /// record of those.
  void leave_out_what_failed_before() {
    if (supervision_.run.empty() || std::ranges::count(launch_.worker_arguments, "--fresh") > 0) return;
    const auto doubt = doubt_about(set_aside_in(read_set_aside_text(supervision_.run)), supervision_.run);
    if (!doubt.empty()) say(doubt);
    const int asked = launch_.ranks;
    if (!fit_to_gpus()) {
      throw Error(ExitCode::gpu_failed, "no GPU is left for the run " + supervision_.run,
                  "all have failed in it",
                  "remove those that have been mended from " + set_aside_file(supervision_.run) +
                      ", or give other hosts");
    }
    if (launch_.ranks < asked)
      say(std::to_string(launch_.ranks) + " ranks instead of " + std::to_string(asked) +
          ", as GPUs have failed: " + set_aside_file(supervision_.run));
  }

  bool blames_program() const {
    const auto alike = doubts_.alike();
    if (alike.empty()) return false;
    say(alike[0] + " and " + alike[1] +
        " have failed in the same way: it is likely the program, and not the GPUs (see `lockstep why " +
        supervision_.run + "`); report it with the logs of their ranks in " + supervision_.run + "/log");
    return true;
  }

  /// False if nothing is left to run on, or if the list of GPUs cannot be written for the next start.
  bool leave_gpus_out(std::vector<GpuAside> gpus) {
    if (gpus.empty()) return true;
    for (const auto& gpu : gpus) say("leaving " + gpu.name() + " of " + gpu.host + " out");
    try {
      add_to_set_aside(supervision_.run, {{}, std::move(gpus)});
    } catch (const Error& error) {
      say(error.what());
      return false;
    }
    if (fit_to_gpus()) return true;
    say("no GPU is left");
    return false;
  }

  /// Limits the ranks on each host to its remaining GPUs. False if there are none at all.
  bool fit_to_gpus() {
    if (!supervision_.gpus) return true;
    const auto aside = set_aside_in(read_set_aside_text(supervision_.run));
    if (launch_.hosts.empty()) {
      if (const int left = gpus_left_on(aside, "localhost"); left >= 0)
        launch_.ranks = std::min(launch_.ranks, left);
    } else {
      lower_slots(launch_.hosts, aside);
      launch_.ranks = std::min(launch_.ranks, total_slots(launch_.hosts));
    }
    return launch_.ranks > 0;
  }

  void leave_one_rank_out(const std::string& host) {
    for (auto& h : launch_.hosts) {
      if (h.name == host && h.slots > 1) --h.slots;
    }
    if (launch_.hosts.empty() && launch_.ranks > 1) --launch_.ranks;
  }

  void pause(bool progress) {
    const double seconds =
        progress || restarts_ == 1
            ? 0
            : std::min(
                  longest_pause_seconds,
                  first_pause_seconds * static_cast<double>(1 << std::min<std::int64_t>(restarts_ - 2, 10)));
    std::string where = std::to_string(launch_.ranks) + (launch_.ranks == 1 ? " rank" : " ranks");
    if (!launch_.hosts.empty())
      where +=
          " on " + std::to_string(launch_.hosts.size()) + (launch_.hosts.size() == 1 ? " host" : " hosts");
    say("starting again with " + where +
        (seconds > 0 ? " in " + std::to_string(static_cast<int>(seconds)) + " s" : "") + ", from " +
        (newest_checkpoint(supervision_.run).empty() ? "the beginning" : "the newest checkpoint"));
    if (!supervision_.for_people) {
      std::cout << ordered_json{{"event", "restart"},
                                {"ranks", launch_.ranks},
                                {"restarts", restarts_},
                                {"pause_seconds", seconds}}
                       .dump()
                << std::endl;
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  }

  Launch launch_;
  Supervision supervision_;
  std::int64_t restarts_ = 0;          ///< in a row without a newer checkpoint
  std::map<std::string, int> failed_;  ///< failures in a row, by host
  GpuDoubts doubts_;
};

}  // namespace

Ending supervise(Launch launch, const Supervision& supervision) {
  return Supervisor(std::move(launch), supervision).run();
}

}  // namespace lockstep
