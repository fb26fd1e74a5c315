// Detects silent data corruption: every reliability.audit_every steps, a second rank computes one micro-batch
// too, and both results must be bit-identical. At checkpoints, the ranks' copies of the weights must be
// bit-identical.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "collectives/host_memory.hpp"
#include "worker/audit/corruption.hpp"
#include "worker/state/state.hpp"
#include "worker/step/gradient_hooks.hpp"
#include "worker/step/workload.hpp"
#include "worker/watch/phase_clock.hpp"

namespace lockstep {

/// No bit of the run depends on it: the second result is compared and dropped.
class Audit {
 public:
  /// `hooks`: those of `workload`'s model. All arguments must outlive this.
  Audit(Transport& transport, const Workload& workload, GradientHooks& hooks, PhaseClock& clock);

  /// forward_backward(). If this micro-batch is audited in step `step` (steps done before it), its leaf is
  /// hashed on the way to `sink`. Not collective.
  void compute(std::int64_t step, std::int64_t micro_batch, const MicroBatch& batch, double loss_scale,
               const GradientSink& sink);

  /// Collective in a step that is audited; does nothing in others. One rank computes the micro-batch again.
  /// If its hash differs from the owner's, all ranks compute it and vote. If the leaf is finite on no rank,
  /// that is no corruption: the run diverges. Call it before the weights change. Throws CollectiveError.
  std::optional<Corruption> check(std::int64_t step, double loss_scale);

 private:
  struct Chosen {
    std::int64_t micro_batch;
    int owner, auditor;
  };
  struct Leaf {
    Hash128 hash;
    bool finite = true;
  };

  std::optional<Chosen> chosen_in(std::int64_t step) const;
  Leaf recomputed(std::int64_t step, std::int64_t micro_batch, double loss_scale, bool look_for_nan);

  Transport& transport_;
  const Workload& workload_;
  GradientHooks& hooks_;
  PhaseClock& clock_;
  Hash128 computed_;  ///< of the audited leaf, on its owner
};

/// Collective: compares the copies of the weights and running statistics: one in each group of ranks that
/// share memory, or one on each GPU. Each rank hashes its part of its group's copy. Throws CollectiveError.
std::optional<Corruption> compare_copies(HostMemory& memory, const TrainingState& state);

}  // namespace lockstep
