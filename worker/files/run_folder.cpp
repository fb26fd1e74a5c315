#include "worker/files/run_folder.hpp"

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <utility>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/rank_status.hpp"
#include "common/stored_json.hpp"
#include "common/trained.hpp"
#include "configs/print.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/files/file.hpp"
#include "worker/files/plan_hash.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* working_directory = "/working_directory";
constexpr std::int64_t most_bytes_of_metrics = std::int64_t{1} << 34;

/// The step of a line of metrics.jsonl; -1 if it has none.
std::int64_t step_of(const std::string& line) { return whole_number(stored_json(line), "step", -1); }

/// How many checkpoints a run had begun to save after `steps` steps, at least.
std::int64_t saves_within(const Config::Checkpoint& settings, std::int64_t steps,
                          std::int64_t steps_per_epoch) {
  const auto every = [&](std::int64_t interval) { return interval > 0 ? steps / interval : 0; };
  return std::max(every(settings.every_steps), every(settings.every_epochs * steps_per_epoch));
}

/// Whether the entries of result.json that the program reads have the right types.
bool is_result(const json& object) {
  static const json types = {{"state_hash", ""},
                             {"plan_hash", ""},
                             {"grown_from", ""},
                             {"run", ""},
                             {"epochs", 0},
                             {"max_steps", 0},
                             {"steps", 0},
                             {"test_accuracy", 0.0},
                             {"phases_ms", json::object()},
                             {"gpus", json::array()},
                             {"ema_test_accuracy", 0.0},
                             {"swa_test_accuracy", 0.0}};
  return has_types_of(object, types);
}

/// Whether a limit has shrunk; 0 means no limit.
bool has_shrunk(std::int64_t before, std::int64_t now) { return now != 0 && (before == 0 || now < before); }

}  // namespace

RunFolder::RunFolder(const std::string& path, const ResolvedConfig& resolved, bool fresh) : path_(path) {
  if (fresh) keep_earlier_run();
  std::error_code failure;
  fs::create_directories(path_ + "/log", failure);
  if (!failure) fs::create_directories(path_ + "/checkpoint", failure);
  if (!failure) fs::create_directories(status_folder(path_), failure);
  if (failure) throw file_error("cannot create the run folder", path_, failure.value());
  lock_.emplace(path_);
  compare_with_earlier_run(resolved.config);
  forget_statuses();
  // A run that starts over without a checkpoint keeps its old plan.json until rewind_metrics(): only the old
  // plan tells how often that run has saved.
  const bool begins_anew =
      is_there(path_ + "/plan.json") && published_checkpoints(path_ + "/checkpoint").empty();
  if (begins_anew && !nothing_is_trained(path_))
    resolved_ = resolved;
  else
    write_plan(resolved);
}

void RunFolder::write_plan(const ResolvedConfig& resolved) const {
  replace_file(path_ + "/plan.json", to_json(resolved.config) + "\n");
  replace_file(path_ + "/resolved.toml", to_toml(resolved));
}

/// Removes the status files of earlier ranks. These have ended: this run holds the lock.
void RunFolder::forget_statuses() const {
  std::error_code none, failure;
  for (fs::directory_iterator item(status_folder(path_), failure);
       !failure && item != fs::directory_iterator(); item.increment(failure)) {
    if (item->path().filename().string().starts_with("rank-")) fs::remove(item->path(), none);
  }
}

/// Whether the folder holds a run, or what is left of one.
bool RunFolder::holds_a_run() const {
  return is_there(path_ + "/plan.json") || is_there(path_ + "/metrics.jsonl") ||
         is_there(path_ + "/result.json") || !published_checkpoints(path_ + "/checkpoint").empty();
}

void RunFolder::keep_earlier_run() {
  if (!holds_a_run()) return;
  const FolderLock lock(path_);  // a run that is under way is not moved
  std::error_code failure;
  const bool is_link = fs::is_symlink(path_, failure);
  const auto place =
      is_link ? fs::canonical(path_, failure).string() : path_;  // a link stays; its target is moved
  int number = 1;
  while (is_there(place + "." + std::to_string(number))) ++number;
  const auto kept = place + "." + std::to_string(number);
  fs::rename(place, kept, failure);
  if (!failure && is_link) fs::create_directory(place, failure);
  if (failure) throw file_error("cannot move the earlier run to", kept, failure.value());
  log_warning("the earlier run is kept in " + kept);
}

/// The config in plan.json or, if that is gone, in the manifest of the newest checkpoint that has one.
std::optional<Config> RunFolder::earlier_config() const {
  if (is_there(path_ + "/plan.json")) return config_of_run(path_);
  const auto folder = path_ + "/checkpoint";
  for (const auto& name : published_checkpoints(folder)) {
    try {
      const auto manifest = read_manifest(folder + "/" + name + "/manifest.json");
      if (manifest.contains("config")) return config_from_json(manifest["config"].dump());
    } catch (const Error&) {  // skipped here; reading the state names it
    }
  }
  return std::nullopt;
}

void RunFolder::compare_with_earlier_run(const Config& config) {
  const auto before = earlier_config().value_or(config);
  if (nothing_is_trained(path_)) return;
  saving_before_ = before.checkpoint;
  auto allowed = before;
  std::string differing;
  for (auto member : {&Config::Training::max_steps, &Config::Training::epochs}) {
    if (!has_shrunk(before.training.*member, config.training.*member)) {
      allowed.training.*member = config.training.*member;
    }
  }
  for (const auto& key : differing_keys(allowed, config)) differing += (differing.empty() ? "" : "; ") + key;
  if (differing.empty()) return;
  throw Error(ExitCode::config, path_ + " holds a run with another plan", differing,
              "use the same settings (training.max_steps and training.epochs may grow), another --output, or "
              "--fresh, which "
              "keeps the old run under another name");
}

std::int64_t RunFolder::last_step_of_metrics() const {
  const auto path = path_ + "/metrics.jsonl";
  if (!is_there(path)) return 0;
  std::istringstream lines(read_file(path, most_bytes_of_metrics));
  std::int64_t last = 0;
  for (std::string line; std::getline(lines, line);) last = std::max(last, step_of(line));
  return last;
}

void RunFolder::require_no_lost_checkpoint(std::int64_t steps_per_epoch) const {
  const auto last = std::max(last_step_of_metrics(), whole_number(result(), "steps", 0));
  if (last == 0) return;
  // The third save starts only after the second has finished. A run ends when two saves in a row fail, so the
  // first or the second is published by then.
  constexpr int surely_published = 3;
  const bool had_one = whole_number(result(), "steps", 0) > 0 ||
                       saves_within(saving_before_, last - 1, steps_per_epoch) >= surely_published;
  if (had_one)
    throw Error(
        ExitCode::io, "the checkpoints of the run in " + path_ + " are gone",
        "it has computed " + std::to_string(last) + " steps, and there is none in " + path_ + "/checkpoint",
        "put them back, or start over with --fresh, which keeps the old run under another name");
  log_warning("the run in " + path_ + " begins anew (it has computed " + std::to_string(last) +
              " steps, and there is no checkpoint) they are computed again, and metrics.jsonl forgets them");
}

void RunFolder::rewind_metrics(std::int64_t step) {
  if (resolved_) write_plan(*std::exchange(resolved_, std::nullopt));
  const auto path = path_ + "/metrics.jsonl";
  const bool found = is_there(path);
  std::istringstream lines(found ? read_file(path, most_bytes_of_metrics) : "");
  std::string kept;
  std::int64_t unreadable = 0;
  for (std::string line; std::getline(lines, line);) {
    const auto of_line = step_of(line);
    if (of_line < 0 && !lines.eof()) ++unreadable;  // the last one may have been cut short
    if (of_line >= 0 && of_line <= step) kept += line + "\n";
  }
  replace_file(path, kept);
  metrics_bytes_ = std::ssize(kept);
  if (unreadable > 0)
    log_warning(std::to_string(unreadable) + " lines of " + path +
                " are left out (they are no JSON that has a step)");
  if (!found && step > 0)
    log_warning(path + " is not there (the run goes on after step " + std::to_string(step) +
                ") it will have the steps from here on alone");
}

void RunFolder::note_working_directory(const Config& config) const {
  if (fs::path(config.data.path).is_absolute()) return;
  replace_file(path_ + working_directory, fs::current_path().string() + "\n");
}

void RunFolder::append_metrics(const json& line) {
  const auto text = line.dump(-1, ' ', false, json::error_handler_t::replace) + "\n";
  // At a fixed offset, so that a retry overwrites what a failed attempt has written.
  with_patience([&] {
    PartFile(path_ + "/metrics.jsonl", PartFile::Mode::write)
        .write(text.data(), std::ssize(text), metrics_bytes_);
  });
  metrics_bytes_ += std::ssize(text);
}

void RunFolder::write_result(const json& result) {
  replace_file(path_ + "/result.json", result.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

json RunFolder::result() const {
  if (!is_there(path_ + "/result.json")) return nullptr;
  auto found = stored_json(read_file(path_ + "/result.json"));
  return is_result(found) ? found : nullptr;
}

bool RunFolder::finished(const Config& config) const {
  const auto found = result();
  if (found.is_null() && is_there(path_ + "/result.json"))
    log_warning("passing over " + path_ + "/result.json: it is no result of a run");
  if (whole_number(found, "epochs", -1) != config.training.epochs ||
      whole_number(found, "max_steps", -1) != config.training.max_steps)
    return false;
  if (found.value("plan_hash", "") == plan_hash(config, found.value("grown_from", "")).hex()) return true;
  log_warning("passing over " + path_ + "/result.json: it is of another plan");
  return false;
}

Config config_of_run(const std::string& path) {
  if (!is_there(path + "/plan.json")) {
    throw Error(ExitCode::config, path + " is not a run folder", "it has no plan.json",
                "give the --output of a run");
  }
  return config_from_json(read_file(path + "/plan.json"));
}

std::string data_of_run(const std::string& path, const Config& config) {
  if (fs::path(config.data.path).is_absolute() || !is_there(path + working_directory))
    return config.data.path;
  try {
    auto begin = read_file(path + working_directory);
    begin.erase(std::min(begin.find('\n'), begin.size()));
    const auto data = fs::path(begin) / config.data.path;
    std::error_code none;
    if (fs::exists(data, none)) return data.string();
  } catch (const Error& error) {
    log_warning(std::string("passing over ") + error.what());
  }
  return config.data.path;
}

}  // namespace lockstep
