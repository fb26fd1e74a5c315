#include "worker/evaluation/outcome.hpp"

#include <cmath>

#include "common/log.hpp"
#include "common/small_file.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"
#include "worker/checkpoint/export.hpp"
#include "worker/evaluation/exact_statistics.hpp"
#include "worker/models/fake_quantization.hpp"
#include "worker/models/finite.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/state/finite_weights.hpp"

namespace lockstep {
namespace {

/// Collective: evaluates `model`, or other weights in a model like it, on the test set.
Evaluation measure(const Job& job, const Workload& workload, Model& model) {
  return evaluate(job.mpi, model, workload.test, workload.data.test.count,
                  workload.config.training.evaluation_batch_size, workload.precision);
}
Evaluation measure(const Job& job, const Workload& workload, const at::Tensor& weights) {
  const auto model = workload.another_model();
  attach(*model, workload.layout, weights.to(job.compute.device));
  return measure(job, workload, *model);
}

/// The error for a test loss that is not finite; it names the tensor of `weights` that is the cause.
Error no_loss(const std::string& of, std::int64_t step, double loss, const Layout& layout,
              const at::Tensor& weights) {
  const auto trouble = trouble_in_weights(layout, weights);
  return diverged(
      "the test loss of the " + of + " after step " + std::to_string(step) + " is not finite",
      trouble.empty() ? "it is " + std::to_string(loss) + ", of weights that all are finite" : trouble);
}

/// Throws Error (diverged) if `weights` are not finite: others would take the file for the result of a run.
void require_usable(const std::string& name, const Layout& layout, const at::Tensor& weights) {
  const auto trouble = trouble_in_weights(layout, weights);
  if (!trouble.empty()) throw diverged(name + ".safetensors is not written", trouble);
}

std::string scales_text(const Workload& workload, const at::Tensor& weights) {
  const auto model = workload.another_model();
  attach(*model, workload.layout, weights);
  return int8_scales(*model).dump(1) + "\n";
}

}  // namespace

Accuracy measure_all(const Job& job, const Workload& workload, const TrainingState& state) {
  const auto of = [&](const at::Tensor& shard) {
    return measure(job, workload, gather_shards(job.mpi, workload.layout, shard));
  };
  Accuracy accuracy{measure(job, workload, *workload.model), {}, {}};
  if (state.ema.defined()) accuracy.ema = of(state.ema);
  if (state.decisions.swa_members > 0) accuracy.swa = of(state.swa);
  return accuracy;
}

void require_finite(const Job& job, const TrainingState& state, const Accuracy& accuracy) {
  const auto& layout = state.layout;
  const auto bad = [](const std::optional<Evaluation>& evaluation) {
    return evaluation && !std::isfinite(evaluation->loss);
  };
  const auto judge = [&](const std::string& of, double loss, const at::Tensor& weights) {
    const auto error = no_loss(of, state.step, loss, layout, weights);
    if (!trouble_in_weights(layout, weights).empty()) throw error;
    if (job.rank() == 0) log_warning(error.what());  // such as activations beyond fp16 for a while
  };
  if (bad(accuracy.raw)) judge("weights", accuracy.raw.loss, state.parameters);
  if (bad(accuracy.ema)) judge("EMA", accuracy.ema->loss, gather_shards(job.mpi, layout, state.ema));
  if (bad(accuracy.swa)) judge("SWA", accuracy.swa->loss, gather_shards(job.mpi, layout, state.swa));
}

Outcome outcome_of(const Job& job, const Workload& workload, const TrainingState& state,
                   const std::optional<Accuracy>& last) {
  Outcome outcome;
  const auto gathered = [&](const at::Tensor& shard) {
    return gather_shards(job.mpi, workload.layout, shard);
  };
  const auto averaged = [&](const at::Tensor& shard) {
    if (!workload.config.averaging.recompute_batch_norm) return gathered(shard);
    return with_exact_statistics(job, workload, gathered(shard));
  };
  const bool judged = state.best.defined() && state.decisions.epochs_since_best >= 0;
  const bool judged_average = judged && watches_average(workload.config.training);
  outcome.weights["weights"] = gathered(judged ? state.best : state.own_parameters());
  if (state.ema.defined()) outcome.weights["ema"] = averaged(judged_average ? state.best : state.ema);
  if (state.decisions.swa_members > 0) outcome.weights["swa"] = averaged(state.swa);
  const auto measured = [&](const std::string& name, const std::optional<Evaluation>& before = {}) {
    const auto& weights = outcome.weights.at(name);
    const auto evaluation = before ? *before : measure(job, workload, weights);
    if (std::isfinite(evaluation.loss)) return evaluation;
    throw no_loss(name, state.step, evaluation.loss, workload.layout, weights);
  };
  for (const auto& [name, weights] : outcome.weights) require_usable(name, workload.layout, weights);
  outcome.accuracy.raw = measured("weights", last && !judged ? std::optional(last->raw) : std::nullopt);
  if (state.ema.defined()) outcome.accuracy.ema = measured("ema");
  if (state.decisions.swa_members > 0) outcome.accuracy.swa = measured("swa");
  return outcome;
}

void export_outcome(const Job& job, const Workload& workload, const std::string& folder,
                    const TrainingState& state, const Outcome& outcome) {
  on_all_ranks(job.mpi, [&] {
    if (job.rank() != 0) return;
    for (const auto& [name, weights] : outcome.weights) {
      export_weights(folder + "/" + name + ".safetensors", workload.layout, weights, state.step);
      if (!workload.config.quantization.quantization_aware) continue;
      write_file(folder + "/" + name + ".int8.json", scales_text(workload, weights));
    }
  });
}

std::vector<ExportHashes> hash_exports(const Workload& workload, const std::string& folder,
                                       const Outcome& outcome, std::int64_t step) {
  std::vector<ExportHashes> hashes;
  for (const auto& [name, weights] : outcome.weights) {
    const auto file = name + ".safetensors";
    const auto stored = model_file(folder + "/" + file, workload.layout);
    stored.check();
    const auto flat = at::zeros({workload.layout.size()});
    read_model(stored, workload.layout, flat, step);
    hashes.push_back(
        {file, hash_bytes(flat.data_ptr(), flat.nbytes()), hash_bytes(weights.data_ptr(), weights.nbytes())});
    if (!workload.config.quantization.quantization_aware) continue;
    const auto scales = name + ".int8.json";
    hashes.push_back(
        {scales, hash_text(read_file(folder + "/" + scales)), hash_text(scales_text(workload, weights))});
  }
  return hashes;
}

}  // namespace lockstep
