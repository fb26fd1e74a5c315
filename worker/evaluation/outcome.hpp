// The results of a run: accuracies on the way, and the weights that it exports.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "worker/evaluation/evaluate.hpp"
#include "worker/ranks/job.hpp"
#include "worker/state/state.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// Collective: evaluates the weights and their averages during the run; averages use averaged running
/// statistics. Throws CollectiveError, Interrupted.
Accuracy measure_all(const Job& job, const Workload& workload, const TrainingState& state);

/// Throws Error (diverged), the same on all ranks, if a loss in `accuracy`, measured on `state`, is not
/// finite because of a tensor of the weights, which it names. If all weights are finite, rank 0 only warns.
/// Collective only if a loss is not finite; throws CollectiveError.
void require_finite(const Job& job, const TrainingState& state, const Accuracy& accuracy);

/// The weights that a run exports, on all ranks, and their accuracy.
struct Outcome {
  std::map<std::string, at::Tensor> weights;  ///< "weights", "ema", "swa": float32 [layout.size()], host
  Accuracy accuracy;
};

/// Collective: gathers the weights, and measures what the `last` evaluation does not tell. If the run keeps
/// the weights of its best epoch, they take the place of the last ones; averages get running statistics of
/// their own (averaging.recompute_batch_norm). Throws Error (diverged) if a weight or a loss is not finite,
/// CollectiveError, Interrupted.
Outcome outcome_of(const Job& job, const Workload& workload, const TrainingState& state,
                   const std::optional<Accuracy>& last);

/// Collective: rank 0 writes `outcome` into `folder`, the run folder. Throws Error (io).
void export_outcome(const Job& job, const Workload& workload, const std::string& folder,
                    const TrainingState& state, const Outcome& outcome);

/// One file that export_outcome() writes: the hash of the numbers in the file on disk, and of those that
/// would be written now.
struct ExportHashes {
  std::string file;
  Hash128 written, computed;
};
/// The hashes of all files that export_outcome() writes into `folder` after step `step`. For rank 0. Throws
/// Error (io) if a file is missing or damaged.
std::vector<ExportHashes> hash_exports(const Workload& workload, const std::string& folder,
                                       const Outcome& outcome, std::int64_t step);

}  // namespace lockstep
