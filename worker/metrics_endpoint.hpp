// The figures of a run for Prometheus.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "worker/checkpoint/saving.hpp"
#include "worker/evaluate.hpp"
#include "worker/phases.hpp"

namespace lockstep {

/// What a step has come to, for those who watch.
struct StepFigures {
  std::int64_t step = 0, last_step = 0;  ///< done; of the run
  std::int64_t epoch = 0;                ///< from 1
  std::int64_t skipped_steps = 0;
  double loss = 0, train_accuracy = 0, learning_rate = 0, gradient_norm = 0, seconds = 0,
         images_per_second = 0;
};

/// Serves http://HOST:PORT/metrics from threads of its own; the loop only stores numbers for them. A port
/// that cannot be had is a warning, and nothing is served.
class MetricsEndpoint {
 public:
  /// `run`: the run folder, where each rank's sentinel writes how its GPU fares; read when somebody asks.
  MetricsEndpoint(std::int64_t port, int world_size, const std::string& run);
  ~MetricsEndpoint();
  MetricsEndpoint(const MetricsEndpoint&) = delete;
  MetricsEndpoint& operator=(const MetricsEndpoint&) = delete;

  void note_step(const StepFigures& figures);
  void note_phases(const Reports& reports);
  void note_accuracy(const Accuracy& accuracy);
  void note_saved(const Saved& saved);

 private:
  struct Served;
  std::unique_ptr<Served> served_;  ///< null where nothing is served
};

}  // namespace lockstep
