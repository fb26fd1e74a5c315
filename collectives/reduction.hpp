// The second virtual interface of the project: the sum of all ranks' gradients, each rank receiving its
// shard.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "collectives/gradient_format.hpp"
#include "collectives/host_memory.hpp"
#include "collectives/transport.hpp"

namespace lockstep {

/// What is reduced; the same on all ranks.
struct ReductionShape {
  std::int64_t leaves;        ///< micro-batches of a step
  std::vector<Range> shards;  ///< the elements of the flat buffer that each rank receives; may be empty
  std::int64_t elements;      ///< of the flat buffer
  /// Which elements are rounded to 16 bits at every node of the tree; the partial sums must be so already.
  Rounding rounding = {};
};

/// Reduce-scatter along the fixed tree, once a step: start(), publish() as backward completes gradients,
/// send(), finish(). The same bits come out for any world size. After an exception there is no next step. Use
/// from one thread, but for publish(), which the threads of the autograd engine call, one at a time.
class Reduction {
 public:
  Reduction() = default;
  virtual ~Reduction() = default;
  Reduction(const Reduction&) = delete;
  Reduction& operator=(const Reduction&) = delete;

  /// The memory in which this rank must add its micro-batches, float32 [elements] for each slot of its
  /// LeafWalk, zero-filled at first; empty where the partial sums may lie anywhere in the transport's memory.
  virtual std::span<float* const> buffers() const { return {}; }

  /// Begins the sum of one step, into `sum`: float32 [this rank's shard], memory of the transport. Not
  /// collective; before anything of the step is written to the partial sums.
  virtual void start(float* sum) = 0;
  /// Elements [from, elements) of this rank's partial sums are final, or on a GPU will be when it has done
  /// what it has been given so far. `from` only falls. Not collective.
  virtual void publish(std::int64_t from) = 0;
  /// Publishes the rest. `partial_sums`: float32 [elements] for each node of cover(leaves, this rank's
  /// range), in that order; they must not change before finish(). Collective over NCCL. Throws
  /// CollectiveError, and Error (bug) when their number is not the tree's.
  virtual void send(std::span<float* const> partial_sums) = 0;
  /// Collective: returns when `sum` is complete and no rank reads this rank's partial sums any more. Throws
  /// CollectiveError.
  virtual void finish() = 0;
};

/// Collective: the reduction that suits where gradients lie. In host memory (`between_gpus` is null), what is
/// published is summed while backward goes on, and over NCCL too; over any other transport between GPUs it is
/// summed in finish(). Throws Error (config, out of memory), CollectiveError.
std::unique_ptr<Reduction> make_reduction(HostMemory& host, Transport* between_gpus, ReductionShape shape);

}  // namespace lockstep
