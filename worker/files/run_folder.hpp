// The folder of a run: what is in it, and whether a command may continue the run. Only rank 0 touches it,
// apart from each rank's own log, status, trace and part of a checkpoint. Nothing here is collective.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/folder_lock.hpp"
#include "configs/load.hpp"

namespace lockstep {

/// RUN/resolved.toml, plan.json, metrics.jsonl, result.json, log/, checkpoint/, status/, lock.
class RunFolder {
 public:
  /// Creates or reopens `path` for training and holds its lock until destruction. An earlier run in it that
  /// has completed a step must have the same plan, except that training.max_steps and training.epochs may
  /// have grown; otherwise throws Error (config) that names the differing keys. With `fresh`, an earlier run
  /// is renamed (PATH.1, PATH.2, ...) and a new one starts. Throws Error (io) when the folder cannot be
  /// written, Error (config) when another process is training in it.
  RunFolder(const std::string& path, const ResolvedConfig& resolved, bool fresh);

  const std::string& path() const { return path_; }

  /// The last step in metrics.jsonl; 0 if there is none.
  std::int64_t last_step_of_metrics() const;
  /// For a run that has no checkpoint to resume from. Throws Error (io) if it must have published one: that
  /// is gone, and starting over would lose what the run has computed. If it may have ended before its first
  /// checkpoint, only warns that its steps are computed again.
  void require_no_lost_checkpoint(std::int64_t steps_per_epoch) const;
  /// Removes the lines of metrics.jsonl after `step`: a resumed run writes them again. Also writes the new
  /// plan if the constructor kept the old one. Throws Error (io).
  void rewind_metrics(std::int64_t step);
  /// Stores the working directory, which a relative data.path starts from, for a later evaluation or
  /// verification. Does nothing if data.path is absolute.
  void note_working_directory(const Config& config) const;
  /// Appends one line to metrics.jsonl. Throws Error (io).
  void append_metrics(const nlohmann::json& line);
  void write_result(const nlohmann::json& result);
  /// The content of result.json; null if there is none or it is not the result of a run.
  nlohmann::json result() const;
  /// Whether result.json is the result of a run of `config`, so that nothing is left to do. Warns if it is
  /// the result of another plan.
  bool finished(const Config& config) const;

 private:
  bool holds_a_run() const;
  void forget_statuses() const;
  void keep_earlier_run();
  std::optional<Config> earlier_config() const;
  void compare_with_earlier_run(const Config& config);

  void write_plan(const ResolvedConfig& resolved) const;

  std::string path_;
  std::optional<ResolvedConfig> resolved_;  ///< the plan still to be written
  std::optional<FolderLock> lock_;
  Config::Checkpoint saving_before_;  ///< settings of the run found in the folder
  std::int64_t metrics_bytes_ = 0;
};

/// The config of the run in `path`. Throws Error (config) when there is no run.
Config config_of_run(const std::string& path);

/// The data.path of that run. A relative one is resolved against the working directory that the run stored,
/// if the data are still there.
std::string data_of_run(const std::string& path, const Config& config);

}  // namespace lockstep
