// The figures of a run for Prometheus.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "configs/config.hpp"
#include "worker/checkpoint/saving.hpp"
#include "worker/evaluation/evaluate.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

/// What a step has come to, for those who watch.
struct StepFigures {
  std::int64_t step = 0, last_step = 0;  ///< done; of the run
  std::int64_t epoch = 0;                ///< from 1
  std::int64_t skipped_steps = 0;
  double loss = 0, train_accuracy = 0, learning_rate = 0, gradient_norm = 0, seconds = 0,
         images_per_second = 0;
};

/// The token in run.prometheus_token_file; "" where there is no such file in the settings. Throws Error
/// (config) where it cannot be read or holds no token: nothing may be served without one then.
std::string prometheus_token(const Config::Run& settings);

/// Serves http://ADDRESS:PORT/metrics from a thread of its own; the loop only stores numbers for it. A port
/// that cannot be had is a warning, and nothing is served. Every figure has the label "run": the name of the
/// run folder.
class MetricsEndpoint {
 public:
  /// `run`: the run folder, where each rank's sentinel writes how its GPU fares; read when somebody asks.
  MetricsEndpoint(const Config::Run& settings, const std::string& token, int world_size,
                  const std::string& run);
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  void note_step(const StepFigures& figures);
  void note_phases(std::span<const RankReport> reports);
  void note_accuracy(const Accuracy& accuracy);
  void note_saved(const Saved& saved);

 private:
  struct Served;
  std::unique_ptr<Served> served_;  ///< null where nothing is served
};

}  // namespace lockstep
