#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/diagnosis.hpp"
#include "common/error.hpp"
#include "common/printable.hpp"
#include "common/refused_start.hpp"
#include "common/small_file.hpp"
#include "common/stored_json.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/machine.hpp"
#include "launcher/post_mortem.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

struct WhyOptions {
  std::string run;
  bool json = false;
};

std::string name_of(RankStatus::State state) {
  switch (state) {
    case RankStatus::State::running:
      return "running";
    case RankStatus::State::stopped:
      return "stopped";
    case RankStatus::State::ended:
      return "ended";
  }
  return "";
}

/// "87 C, throttles (thermal)"; empty if the rank has no GPU.
std::string gpu_in_words(const RankGpu& gpu) {
  const auto& health = gpu.health;
  if (!gpu.exists()) return "";
  if (!health.told) return "(no NVML)";
  if (health.lost) return "fallen off the bus";
  std::string text = std::to_string(std::lround(health.temperature_celsius)) + " C";
  if (const auto slow = slowed_by(health); !slow.empty()) text += ", throttles (" + slow + ")";
  if (health.uncorrected_errors > 0) text += ", ECC errors: " + std::to_string(health.uncorrected_errors);
  for (const auto xid : health.xids) text += ", Xid " + std::to_string(xid);
  return text;
}

/// Whether the result is of all steps that the run was last asked for: after an increase of epochs, an old
/// result is of fewer.
bool is_complete(const std::string& run) {
  if (!fs::exists(run + "/result.json")) return false;
  try {
    const auto result = stored_json(read_file(run + "/result.json"));
    if (!result.is_object()) return true;
    const auto training = resolved_of_run(run).config.training;
    return whole_number(result, "epochs", training.epochs) == training.epochs &&
           whole_number(result, "max_steps", training.max_steps) == training.max_steps;
  } catch (const Error&) {  // written by another version, or not there
    return true;
  }
}

double seconds_of(fs::file_time_type time) {
  return std::chrono::duration<double>(std::chrono::file_clock::to_sys(time).time_since_epoch()).count();
}

/// The last start, if it was refused later than anything else in the folder happened.
std::optional<RefusedStart> refused_last(const std::string& run, const std::vector<RankStatus>& ranks) {
  auto refused = read_refused_start(run);
  std::error_code none;
  const auto result = fs::last_write_time(run + "/result.json", none);
  const bool newer_result = !none && seconds_of(result) > refused.value_or(RefusedStart{}).time;
  // Sentinels of the refused start keep writing until its ranks have ended.
  const bool went_on =
      std::ranges::any_of(ranks, [](const auto& rank) { return rank.step > 0; }) &&
      std::ranges::any_of(ranks, [&](const auto& rank) { return refused && rank.written > refused->time; });
  return newer_result || went_on ? std::nullopt : refused;
}

std::string in_words(const RefusedStart& refused) {
  const auto seconds = static_cast<std::time_t>(refused.time);
  char when[64] = "";
  std::strftime(when, sizeof when, "%F %T", std::localtime(&seconds));
  return "the last start, at " + std::string(when) + ", was refused with exit code " +
         std::to_string(refused.exit_code) + ": " + refused.text;
}

/// The state of a run that nothing holds up.
std::string standing(const std::string& run, bool under_way, const std::vector<RankStatus>& ranks) {
  if (under_way) {
    char pace[64] = "";
    if (ranks.front().usual_step_ms > 0)
      std::snprintf(pace, sizeof pace, ", %.0f ms a step", ranks.front().usual_step_ms);
    return "nothing holds the run up: step " + std::to_string(ranks.front().step) + ", in " +
           ranks.front().phase + pace;
  }
  if (is_complete(run)) return "the run is complete";
  return ranks.empty() ? "no rank has begun" : "the run is not under way, and nothing tells of a failure";
}

/// Everything that is reported about a run.
struct Answer {
  bool under_way = false;
  std::vector<RankStatus> ranks;
  std::optional<RefusedStart> refused = {};
  std::vector<Finding> findings = {};  ///< empty if the start was refused: its error says enough
  std::string standing = {};           ///< empty if the rest says enough
};

void print_for_people(const WhyOptions& options, const Answer& answer) {
  const auto& ranks = answer.ranks;
  for (const auto& finding : answer.findings)
    std::cout << printable(describe(finding, options.run), LineFeeds::kept) << "\n";
  if (!answer.standing.empty()) std::cout << answer.standing << "\n";
  if (answer.refused) std::cout << printable(in_words(*answer.refused), LineFeeds::kept) << "\n";
  if (ranks.empty()) return;
  const bool gpus = std::ranges::any_of(ranks, [](const auto& rank) { return rank.gpu.exists(); });
  std::printf("\n%5s  %-16s %-8s %8s  %-11s %9s  %-8s%s\n", "rank", "host", "state", "step", "phase", "for",
              "awaits", gpus ? "  GPU" : "");
  std::fflush(stdout);
  for (const auto& rank : ranks) {
    std::string awaits;
    for (const int peer : rank.awaits) {
      if (!awaits.empty()) awaits += ",";
      awaits += peer == RankStatus::many ? "many" : std::to_string(peer);
    }
    std::printf("%5d  %-16s %-8s %8lld  %-11s %7.0f s  %-8s%s\n", rank.rank, rank.host.c_str(),
                name_of(rank.state).c_str(), static_cast<long long>(rank.step), rank.phase.c_str(),
                rank.phase_seconds, awaits.c_str(),
                (gpus ? std::string("  ") + gpu_in_words(rank.gpu) : "").c_str());
  }
}

void print_for_machines(const WhyOptions& options, const Answer& answer) {
  ordered_json line = {
      {"run", options.run}, {"under_way", answer.under_way}, {"findings", ordered_json::array()}};
  for (const auto& finding : answer.findings) {
    line["findings"].push_back({{"trouble", name_of(finding.trouble)},
                                {"ranks", finding.ranks},
                                {"host", finding.host},
                                {"text", finding.text}});
  }
  if (!answer.standing.empty()) line["standing"] = answer.standing;
  if (answer.refused) {
    const auto& [time, exit_code, text] = *answer.refused;
    line["refused"] = {{"time", time}, {"exit_code", exit_code}, {"text", text}};
  }
  for (const auto& rank : answer.ranks) {
    line["ranks"].push_back({{"rank", rank.rank},
                             {"host", rank.host},
                             {"state", name_of(rank.state)},
                             {"step", rank.step},
                             {"phase", rank.phase},
                             {"phase_seconds", rank.phase_seconds},
                             {"awaits", rank.awaits},
                             {"step_ms", rank.step_ms},
                             {"usual_step_ms", rank.usual_step_ms},
                             {"compute_ms", rank.compute_ms}});
    if (rank.gpu.exists()) line["ranks"].back()["gpu"] = ordered_json::parse(to_text(rank.gpu));
  }
  std::cout << line.dump(-1, ' ', false, ordered_json::error_handler_t::replace) << "\n";
}

/// Statuses outlive their ranks: those of a complete run show its state before the end.
Answer answer_on(const std::string& run, const std::vector<RankStatus>& before,
                 const std::vector<RankStatus>& ranks) {
  Answer answer{is_under_way(before, ranks), ranks};
  if (answer.under_way) {
    answer.findings = diagnose(before, ranks, seconds_between_looks);
  } else {
    answer.refused = refused_last(run, ranks);
    if (!answer.refused && !is_complete(run)) answer.findings = failures_in(ranks);
  }
  const bool said = !answer.findings.empty() || (answer.refused && !is_complete(run));
  if (!said) answer.standing = standing(run, answer.under_way, ranks);
  return answer;
}

int why(const WhyOptions& options) {
  if (!fs::exists(options.run + "/plan.json") && !read_refused_start(options.run)) {
    throw Error(ExitCode::config, options.run + " is not a run folder", "it has no plan.json",
                "give the folder that `lockstep train` named");
  }
  const auto before = read_rank_statuses(options.run);
  auto ranks = before;
  const bool over = std::ranges::all_of(
      before, [](const auto& status) { return status.state == RankStatus::State::ended; });
  if (!over || before.empty()) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds_between_looks));
    ranks = read_rank_statuses(options.run);
  }
  const auto answer = answer_on(options.run, before, ranks);
  (options.json || !terminal_columns() ? print_for_machines : print_for_people)(options, answer);
  const bool held_up = !answer.findings.empty() || answer.standing.empty();
  return static_cast<int>(held_up ? ExitCode::peer_lost : ExitCode::success);
}

}  // namespace

void add_why(CLI::App& app, int& status) {
  auto options = std::make_shared<WhyOptions>();
  CLI::App* command = app.add_subcommand("why", "Say who holds a run up, or why it ended");
  command->add_option("RUN", options->run, "The run folder")->required()->check(given_path);
  command->add_flag("--json", options->json, "One line of JSON, as in a pipe");
  command->footer(
      "Examples:\n"
      "  lockstep why runs/quickstart\n"
      "  lockstep why /shared/runs/1 | python3 -m json.tool\n"
      "It looks for 3 seconds at what each rank's sentinel writes into RUN/status, from any host that sees "
      "the\n"
      "folder, and names what is dead, stopped, stuck, slow to compute, or behind a slow\n"
      "link, GPUs that have failed or throttle, and the error of a start that was refused.\n"
      "Exit status: 0 nothing holds the run up, 3 something does or did, 2 no such run.");
  command->callback([options, &status] { status = why(*options); });
}

}  // namespace lockstep
