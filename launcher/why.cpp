#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "common/diagnosis.hpp"
#include "common/error.hpp"
#include "launcher/commands.hpp"
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

/// "87 C, throttles (thermal)"; empty where the rank has no GPU.
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

/// It has the result of the steps that it was last asked for; with more epochs an old one is of fewer.
bool is_complete(const std::string& run) {
  std::ifstream file(run + "/result.json");
  if (!file.is_open()) return false;
  const auto result = ordered_json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (!result.is_object()) return true;
  try {
    const auto training = resolved_of_run(run).config.training;
    return result.value("epochs", ordered_json(training.epochs)) == training.epochs &&
           result.value("max_steps", ordered_json(training.max_steps)) == training.max_steps;
  } catch (const Error&) {  // written by another version, or away
    return true;
  }
}

/// How the run stands where nobody holds it up.
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

void print_for_people(const WhyOptions& options, bool under_way, const std::vector<Finding>& findings,
                      const std::vector<RankStatus>& ranks) {
  for (const auto& finding : findings) std::cout << describe(finding, options.run) << "\n";
  if (findings.empty()) std::cout << standing(options.run, under_way, ranks) << "\n";
  if (ranks.empty()) return;
  const bool gpus = std::ranges::any_of(ranks, [](const auto& rank) { return rank.gpu.exists(); });
  std::printf("\n%5s  %-16s %-8s %8s  %-11s %9s  %-8s%s\n", "rank", "host", "state", "step", "phase", "for",
              "awaits", gpus ? "  GPU" : "");
  std::fflush(stdout);
  for (const auto& rank : ranks) {
    std::string awaits;
    for (const int peer : rank.awaits)
      awaits += (awaits.empty() ? "" : ",") + (peer == RankStatus::many ? "many" : std::to_string(peer));
    std::printf("%5d  %-16s %-8s %8lld  %-11s %7.0f s  %-8s%s\n", rank.rank, rank.host.c_str(),
                name_of(rank.state).c_str(), static_cast<long long>(rank.step), rank.phase.c_str(),
                rank.phase_seconds, awaits.c_str(), (gpus ? "  " + gpu_in_words(rank.gpu) : "").c_str());
  }
}

void print_for_machines(const WhyOptions& options, bool under_way, const std::vector<Finding>& findings,
                        const std::vector<RankStatus>& ranks) {
  ordered_json line = {{"run", options.run}, {"under_way", under_way}, {"findings", ordered_json::array()}};
  for (const auto& finding : findings) {
    line["findings"].push_back({{"trouble", name_of(finding.trouble)},
                                {"ranks", finding.ranks},
                                {"host", finding.host},
                                {"text", finding.text}});
  }
  if (findings.empty()) line["standing"] = standing(options.run, under_way, ranks);
  for (const auto& rank : ranks) {
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

/// Statuses outlive their ranks: of a complete run they tell how it stood before its end.
std::vector<Finding> findings_on(const std::string& run, bool under_way,
                                 const std::vector<RankStatus>& before,
                                 const std::vector<RankStatus>& ranks) {
  if (under_way) return diagnose(before, ranks, seconds_between_looks);
  return is_complete(run) ? std::vector<Finding>{} : failures_in(ranks);
}

int why(const WhyOptions& options) {
  if (!fs::exists(options.run + "/plan.json")) {
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
  const bool under_way = is_under_way(before, ranks);
  const auto findings = findings_on(options.run, under_way, before, ranks);
  (options.json || !terminal_columns() ? print_for_machines : print_for_people)(options, under_way, findings,
                                                                                ranks);
  return static_cast<int>(findings.empty() ? ExitCode::success : ExitCode::peer_lost);
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
      "link, and GPUs that have failed or throttle.\n"
      "Exit status: 0 nothing holds the run up, 3 something does or did, 2 no such run.");
  command->callback([options, &status] { status = why(*options); });
}

}  // namespace lockstep
