// Hardware that computes wrong without a word: every reliability.audit_every steps one micro-batch is
// computed by a second rank as well, and what it yields must be the same bits. At checkpoints the ranks'
// copies of the weights must be.
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

/// No bit of the run depends on it: what is computed a second time is compared and thrown away.
class Audit {
 public:
  /// `hooks`: of `workload`'s model. All must outlive this.
  Audit(Transport& transport, const Workload& workload, GradientHooks& hooks, PhaseClock& clock);

  /// forward_backward(); where it is this micro-batch that is audited in step `step` (steps done before it),
  /// its leaf is hashed on its way to `sink`.
  void compute(std::int64_t step, std::int64_t micro_batch, const MicroBatch& batch, double loss_scale,
               const GradientSink& sink);

  /// Collective in a step that is audited, nothing in others: one rank computes the micro-batch again. Where
  /// its hash differs from the owner's, all ranks do, and vote. A leaf that is not finite on any of them is
  /// no corruption: the run diverges. Call it before the weights change. Throws CollectiveError.
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
  Leaf computed_again(std::int64_t step, std::int64_t micro_batch, double loss_scale, bool look_for_nan);

  Transport& transport_;
  const Workload& workload_;
  GradientHooks& hooks_;
  PhaseClock& clock_;
  Hash128 computed_;  ///< of the audited leaf, on its owner
};

/// Collective: compares the copies of the weights and running statistics: one for each group of ranks that
/// share memory, or one on each GPU. Each rank hashes its part of its group's copy. Throws CollectiveError.
std::optional<Corruption> compare_copies(HostMemory& memory, const TrainingState& state);

}  // namespace lockstep
