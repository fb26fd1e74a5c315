// What a run has come to: accuracies on the way, and the weights that it leaves.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "worker/evaluation/evaluate.hpp"
#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Collective: while the run goes on: averages with averaged running statistics. Throws CollectiveError.
Accuracy measure_all(const Job& job, const Workload& workload, const TrainingState& state);

/// Throws Error (diverged) where a loss of `accuracy`, measured of `state`, is not finite, and names the
/// tensor that is to blame; the same on all ranks. Collective only where it throws.
void require_finite(const Job& job, const TrainingState& state, const Accuracy& accuracy);

/// The weights that a run leaves, each as one flat buffer on all ranks, and how good they are.
struct Outcome {
  std::map<std::string, at::Tensor> weights;  ///< "weights", "ema", "swa"
  Accuracy accuracy;
};

/// Collective: measures as far as the `last` evaluation does not say it. The best epoch's weights stand for
/// the last where the run keeps them, and averages get statistics of their own. Throws Error (diverged) where
/// any of it is not finite, CollectiveError.
Outcome outcome_of(const Job& job, const Workload& workload, const TrainingState& state,
                   const std::optional<Accuracy>& last);

/// Collective: rank 0 writes it beside the checkpoints of folder. Throws Error (io).
void export_outcome(const Job& job, const Workload& workload, const std::string& folder,
                    const TrainingState& state, const Outcome& outcome);

/// For each file that export_outcome() writes, the hash of the numbers in the file that is there and of those
/// that would be written after step `step`. For rank 0. Throws Error (io) when a file is missing or damaged.
struct ExportHashes {
  std::string file;
  Hash128 written, computed;
};
std::vector<ExportHashes> hash_exports(const Workload& workload, const std::string& folder,
                                       const Outcome& outcome, std::int64_t step);

}  // namespace lockstep
