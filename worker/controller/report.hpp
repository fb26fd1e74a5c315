// The output of a run while it goes on: on the terminal or as JSON lines, in the run folder, for dashboards.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/progress.hpp"
#include "worker/checkpoint/saving.hpp"
#include "worker/controller/metrics_endpoint.hpp"
#include "worker/controller/plan.hpp"
#include "worker/controller/tensorboard.hpp"
#include "worker/files/run_folder.hpp"
#include "worker/ranks/rank_map.hpp"
#include "worker/state/accuracy.hpp"
#include "worker/step/step_sums.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

class Comparison;

/// The messages and bytes of gradients and weights that one rank has sent, on average over its steps.
struct Exchanged {
  double messages_per_step = 0, bytes_per_step = 0;
};

/// Exists on every rank, and does nothing on ranks other than 0. Not collective. Functions that write throw
/// Error (io).
class RunReport {
 public:
  RunReport(int rank, int world_size) : rank_(rank), world_size_(world_size) {}

  /// From now on the report goes to `folder`, the folder of a run that trains. `warnings`: about its
  /// configuration. `token`: what clients of the metrics endpoint must send; may be empty.
  void open(std::unique_ptr<RunFolder> folder, std::vector<std::string> warnings, std::string token);
  /// RunFolder::finished(), of the folder that is open.
  bool is_finished(const Config& config) const { return folder_->finished(config); }
  /// From now on progress is printed, to the terminal or as JSON lines.
  void start_progress() { progress_ = std::make_unique<Progress>(); }
  /// From now on nothing is written, and `comparison` gets what would be written. Null ends this.
  void compare_with(Comparison* comparison) { comparison_ = comparison; }
  Comparison* comparison() const { return comparison_; }  ///< null on all other ranks

  /// Warns of suspicious placements of the ranks; begin() shows the placements.
  void note_places(std::vector<RankPlace> places);
  /// RunFolder::require_no_lost_checkpoint(), for a run that begins with its first step.
  void require_no_lost_checkpoint(const Workload& workload) const;
  /// Says what will run and where, and opens metrics.jsonl after step `state.step`.
  void begin(const Workload& workload, const Plan& plan, const TrainingState& state);
  /// On rank 0: a run that trains has begun, or was complete before.
  bool has_begun() const { return has_begun_; }

  /// A step has been done, in `seconds`.
  void note_step(const Workload& workload, const TrainingState& state, const StepSums& sums,
                 double learning_rate, double seconds);
  void note_accuracy(const Workload& workload, std::int64_t steps_done, const Accuracy& accuracy);
  /// Early stopping has ended the run.
  void note_early_stop(std::int64_t steps_done, const Decisions& decisions);
  /// A checkpoint has been published.
  void note_saved(const Saved& saved);
  /// A signal has stopped the run.
  void note_stopped(std::int64_t steps_done, int signal);
  /// A signal has ended the run before there was anything to save.
  void note_stopped_early(int signal);

  /// Writes result.json and says how the run ended. `phases`: phase_columns() of the whole run.
  void finish(const Workload& workload, const Plan& plan, std::int64_t steps_done, const StateHashes& hashes,
              const Accuracy& accuracy, const Exchanged& exchanged, const nlohmann::ordered_json& phases);
  /// Shows the result of a run that was complete before.
  void show_finished();

  /// Reports an event: `fields` for machines, `text` for users.
  void tell(const std::string& event, const nlohmann::ordered_json& fields, const std::string& text);

 private:
  bool speaks() const { return rank_ == 0; }
  void record(const std::string& event, const nlohmann::ordered_json& line);
  void open_for_watchers(const Workload& workload, const Plan& plan, std::int64_t step);
  void warn_of_idle_ranks(const Workload& workload) const;
  void warn_of_guessing(const Workload& workload, std::int64_t steps_done, const Evaluation& evaluation);
  void show_result(const nlohmann::json& result) const;
  void compare_with_grace(double save_seconds);

  int rank_, world_size_;
  std::unique_ptr<RunFolder> folder_;  ///< of a run that trains
  std::unique_ptr<Progress> progress_;
  Comparison* comparison_ = nullptr;
  std::vector<RankPlace> places_;
  std::vector<std::string> warnings_;          ///< about the configuration
  std::string token_;                          ///< that clients of the endpoint must send
  std::unique_ptr<MetricsEndpoint> endpoint_;  ///< with run.prometheus_port
  std::unique_ptr<EventFile> events_;          ///< with run.tensorboard
  Clock::time_point start_ = Clock::now();
  std::vector<double> step_seconds_;  ///< of the steps of this process
  bool has_begun_ = false, warned_of_grace_ = false, warned_of_guessing_ = false;
};

}  // namespace lockstep
