// The folder of a run: what is in it, and whether a command may go on with it. Rank 0 alone touches it, apart
// from each rank's own log and its part of a checkpoint.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "common/folder_lock.hpp"
#include "configs/load.hpp"

namespace lockstep {

/// RUN/resolved.toml, plan.json, metrics.jsonl, result.json, log/, checkpoint/, lock.
class RunFolder {
 public:
  /// Creates or reopens `path` for training, holding its lock until destruction. An earlier run in it must
  /// have the same plan, except that training.max_steps and training.epochs may have grown, unless it never
  /// came to a step; otherwise throws Error (config) that names the keys. With `fresh` an earlier run is kept
  /// under another name (PATH.1, PATH.2, ...) and a new one begun. Throws Error (io) when it cannot be
  /// written, Error (config) when another process is training in it.
  RunFolder(const std::string& path, const ResolvedConfig& resolved, bool fresh);

  const std::string& path() const { return path_; }

  /// The last step that metrics.jsonl has a line of; 0 where there is none.
  std::int64_t last_step_of_metrics() const;
  /// Throws Error (io) where a run that begins anew has had a checkpoint, which is gone: it would lose what
  /// it has computed. Where it may have had none yet, that its steps are computed again is a warning.
  void require_no_lost_checkpoint(std::int64_t steps_per_epoch) const;
  /// Forgets the metrics after `step`: a resumed run writes them again.
  void rewind_metrics(std::int64_t step);
  /// Where data.path begins, for who evaluates or verifies the run later; nothing where it is absolute.
  void note_working_directory(const Config& config) const;
  /// Appends one line to metrics.jsonl.
  void append_metrics(const nlohmann::json& line);
  void write_result(const nlohmann::json& result);
  /// The content of result.json, or null.
  nlohmann::json result() const;
  /// True when result.json is that of a run of `config`: nothing is left to do.
  bool finished(const Config& config) const;

 private:
  bool holds_a_run() const;
  void forget_statuses() const;
  void keep_earlier_run();
  std::optional<Config> earlier_config() const;
  void compare_with_earlier_run(const Config& config);

  void write_plan(const ResolvedConfig& resolved) const;

  std::string path_;
  std::optional<ResolvedConfig> resolved_;  ///< that is still to be written
  std::optional<FolderLock> lock_;
  Config::Checkpoint saving_before_;  ///< of the run that is in the folder
  std::int64_t metrics_bytes_ = 0;
};

/// The config of the run in `path`. Throws Error (config) when there is no run.
Config config_of_run(const std::string& path);

/// Where the data of that run lie: its data.path, from where the run was started if that was noted and they
/// are still there.
std::string data_of_run(const std::string& path, const Config& config);

}  // namespace lockstep
