#include "worker/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/rank_status.hpp"
#include "configs/print.hpp"
#include "worker/checkpoint/safetensors.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* working_directory = "/working_directory";

/// 0 stands for no limit.
bool has_shrunk(std::int64_t before, std::int64_t now) { return now != 0 && (before == 0 || now < before); }

}  // namespace

RunFolder::RunFolder(const std::string& path, const ResolvedConfig& resolved, bool fresh) : path_(path) {
  if (fresh) keep_earlier_run();
  std::error_code failure;
  fs::create_directories(path_ + "/log", failure);
  if (!failure) fs::create_directories(path_ + "/checkpoint", failure);
  if (!failure) fs::create_directories(status_folder(path_), failure);
  if (failure) throw file_error("cannot create the run folder", path_, failure.value());
  take_lock();
  compare_with_earlier_run(resolved.config);
  forget_statuses();
  replace_file(path_ + "/plan.json", to_json(resolved.config) + "\n");
  replace_file(path_ + "/resolved.toml", to_toml(resolved));
}

RunFolder::~RunFolder() {
  if (lock_ >= 0) close(lock_);
}

void RunFolder::take_lock() {
  const auto path = path_ + "/lock";
  lock_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (lock_ < 0) throw file_error("cannot create", path, errno);
  if (flock(lock_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    throw Error(ExitCode::config, "the run folder " + path_ + " is in use", "another process holds " + path,
                "wait for it to end, or choose another --output");
  }
}

/// They are of ranks that have ended: the lock is held by this run.
void RunFolder::forget_statuses() const {
  std::error_code none;
  for (const auto& item : fs::directory_iterator(status_folder(path_), none)) {
    if (item.path().filename().string().starts_with("rank-")) fs::remove(item.path(), none);
  }
}

void RunFolder::keep_earlier_run() {
  if (!is_there(path_ + "/plan.json")) return;
  take_lock();  // a run that is under way is not moved
  int number = 1;
  while (is_there(path_ + "." + std::to_string(number))) ++number;
  const auto kept = path_ + "." + std::to_string(number);
  std::error_code failure;
  fs::rename(path_, kept, failure);
  close(std::exchange(lock_, -1));
  if (failure) throw file_error("cannot move the earlier run to", kept, failure.value());
  log_warning("the earlier run is kept in " + kept);
}

/// A start that was refused, for its data or for want of GPUs, leaves nothing that another plan would spoil.
bool RunFolder::nothing_is_trained() const {
  std::error_code none;
  const auto size = fs::file_size(path_ + "/metrics.jsonl", none);
  return (none || size == 0) && !is_there(path_ + "/result.json") &&
         fs::directory_iterator(path_ + "/checkpoint", none) == fs::directory_iterator();
}

void RunFolder::compare_with_earlier_run(const Config& config) const {
  if (!is_there(path_ + "/plan.json") || nothing_is_trained()) return;
  const auto before = config_of_run(path_);
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

void RunFolder::rewind_metrics(std::int64_t step) {
  const auto path = path_ + "/metrics.jsonl";
  std::istringstream lines(is_there(path) ? read_file(path) : "");
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const auto object = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (object.is_object() && object.value("step", std::int64_t{0}) <= step) kept += line + "\n";
  }
  replace_file(path, kept);
}

void RunFolder::note_working_directory(const Config& config) const {
  if (fs::path(config.data.path).is_absolute()) return;
  replace_file(path_ + working_directory, fs::current_path().string() + "\n");
}

void RunFolder::append_metrics(const json& line) {
  const auto path = path_ + "/metrics.jsonl";
  std::ofstream file(path, std::ios::app);
  file << line.dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  file.flush();
  if (!file) throw file_error("cannot write", path, errno);
}

void RunFolder::write_result(const json& result) {
  replace_file(path_ + "/result.json", result.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
}

json RunFolder::result() const {
  if (!is_there(path_ + "/result.json")) return nullptr;
  return json::parse(read_file(path_ + "/result.json"), nullptr, /*allow_exceptions=*/false);
}

bool RunFolder::finished(const Config& config) const {
  const auto found = result();
  return found.is_object() && found.value("epochs", json()) == config.training.epochs &&
         found.value("max_steps", json()) == config.training.max_steps;
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
  auto begin = read_file(path + working_directory);
  begin.erase(std::min(begin.find('\n'), begin.size()));
  const auto data = fs::path(begin) / config.data.path;
  return fs::exists(data) ? data.string() : config.data.path;
}

}  // namespace lockstep
