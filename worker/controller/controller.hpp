// Rank 0's decisions. It alone reads the configuration and owns the run folder; the other ranks learn what to
// do from its orders.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "collectives/transport.hpp"
#include "common/progress.hpp"
#include "configs/load.hpp"
#include "worker/checkpoint/saving.hpp"
#include "worker/controller/metrics_endpoint.hpp"
#include "worker/controller/plan.hpp"
#include "worker/controller/tensorboard.hpp"
#include "worker/evaluation/evaluate.hpp"
#include "worker/files/run_folder.hpp"
#include "worker/ranks/rank_map.hpp"
#include "worker/step/forward_backward.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

class Comparison;

/// What the command line asked for.
struct Request {
  std::string command_line;            ///< all of it, which must be the same on all ranks
  std::string config;                  ///< the TOML file; empty for an evaluation, and perhaps for a check
  std::vector<std::string> settings;   ///< --set key=value
  std::string output;                  ///< --output, or empty
  std::string run_to_evaluate;         ///< --eval, or empty
  std::string run_to_verify;           ///< --verify, or empty
  std::int64_t segments = 3;           ///< --segments, how many of the run to verify
  std::optional<std::int64_t> choice;  ///< --seed, by which they are chosen
  bool from_start = false;             ///< --from-start: verify the first steps too
  std::string data;                    ///< --data, where the data of that run lie now, or empty
  std::vector<std::string> pack;       ///< --pack DATA OUT, or empty
  bool check = false;                  ///< --check
  bool fresh = false;
};

/// What all ranks do in and after one step. Trivially copyable: it travels as bytes.
struct Orders {
  StepScalars scalars;
  double ema_decay;
  bool estimate_curvature;    ///< before the step
  bool add_to_mean;           ///< after the step the weights enter the mean of SWA
  bool evaluate, save, stop;  ///< after the step
  int signal;                 ///< that asked a rank to end, or 0: then there is no step any more
};

/// What one rank has sent of gradients and weights over MPI, on average of its steps.
struct Exchanged {
  double messages_per_step = 0, bytes_per_step = 0;
};

/// Exists on every rank; decides, writes and speaks on rank 0 only.
class Controller {
 public:
  Controller(Transport& transport, Request request) : transport_(transport), request_(std::move(request)) {}

  /// Collective: rank 0 reads, checks and opens; all ranks get the plan (share_plan).
  Plan plan();

  /// Rank 0: keeps the error with which the process ends, unless a step of the run has been under way.
  void note_refused(ExitCode code, const std::string& text) const;

  /// Rank 0: from now on nothing is written, and `comparison` gets what would be; null: no longer.
  void compare_with(Comparison* comparison) { comparison_ = comparison; }
  Comparison* comparison() const { return comparison_; }  ///< null on all other ranks

  /// Rank 0: warns of what looks wrong about where the ranks run; begin() shows it.
  void note_places(std::vector<RankPlace> places);
  /// Rank 0: RunFolder::require_no_lost_checkpoint(), for a run that begins with its first step.
  void require_no_lost_checkpoint(const Workload& workload) const;
  /// Rank 0: says what will run and where, and opens metrics.jsonl after step `state.step`.
  void begin(const Workload& workload, const Plan& plan, const TrainingState& state);
  /// Collective: the orders for the next step, or the signal that asks rank 0 to end instead.
  Orders orders(const Workload& workload, const TrainingState& state);
  /// Whether the accuracy is measured, and judged for the decisions, when `steps_done` are done; on any rank.
  static bool evaluates(const Workload& workload, std::int64_t steps_done);
  static bool judges(const Workload& workload, std::int64_t steps_done);
  /// True when note_step() writes a line for the step with which `steps_done` are done; on any rank.
  static bool logs(const Workload& workload, std::int64_t steps_done);
  /// Rank 0: reports a finished step.
  void note_step(const Workload& workload, const TrainingState& state, const StepSums& sums,
                 double learning_rate, double seconds);
  void note_accuracy(const Workload& workload, std::int64_t steps_done, const Accuracy& accuracy);
  /// Rank 0: says that early stopping has ended the run.
  void note_early_stop(std::int64_t steps_done, const Decisions& decisions);
  /// Rank 0: reports a checkpoint that has been published.
  void note_saved(const Saved& saved);
  /// Rank 0: writes result.json and says how the run ended. `phases`: phase_columns() of the whole run.
  void finish(const Workload& workload, const Plan& plan, std::int64_t steps_done, const StateHashes& hashes,
              const Accuracy& accuracy, const Exchanged& exchanged, const nlohmann::ordered_json& phases);
  /// Rank 0: says that a signal stopped the run.
  void note_stopped(std::int64_t steps_done, int signal);
  /// Rank 0: a signal has ended it before there was anything to save.
  void note_stopped_early(int signal);
  /// Rank 0: an event for machines, and a line for people.
  void tell(const std::string& event, const nlohmann::ordered_json& fields, const std::string& text);
  /// Rank 0: shows the result of a run that was complete before.
  void show_finished();

 private:
  Plan make_plan();
  /// For a run that is there.
  Plan plan_of_run(const std::string& path, Task task) const;
  void record(const std::string& event, const nlohmann::ordered_json& line);
  void open_for_watchers(const Workload& workload, const Plan& plan, std::int64_t step);
  void warn_of_idle_ranks(const Workload& workload) const;
  void warn_of_guessing(const Workload& workload, std::int64_t steps_done, const Evaluation& evaluation);
  void show_result(const nlohmann::json& result) const;
  void compare_with_grace(double save_seconds);

  Transport& transport_;
  Request request_;
  std::unique_ptr<RunFolder> folder_;
  std::string starting_;  ///< the run folder, until the run has begun
  std::unique_ptr<Progress> progress_;
  Comparison* comparison_ = nullptr;
  std::vector<RankPlace> places_;
  std::vector<std::string> doubts_;            ///< about the configuration
  std::string token_;                          ///< that readers of the endpoint send
  std::unique_ptr<MetricsEndpoint> endpoint_;  ///< with run.prometheus_port
  std::unique_ptr<EventFile> events_;          ///< with run.tensorboard
  Clock::time_point start_ = Clock::now();
  std::vector<double> step_seconds_;  ///< of the steps of this process
  bool warned_of_grace_ = false, warned_of_guessing_ = false;
};

}  // namespace lockstep
