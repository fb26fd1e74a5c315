// Everything that a step changes, and its hashes.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/hash.hpp"
#include "configs/derive.hpp"
#include "worker/ranks/job.hpp"
#include "worker/state/decisions.hpp"
#include "worker/state/layout.hpp"

namespace lockstep {

struct Model;

/// The state of a run. Every rank holds all parameters, but only its own shard of everything else.
struct TrainingState {
  /// Allocates the arrays that `config` asks for, filled with zeros, in host memory or on the GPU that the
  /// model runs on. Collective: the ranks of a host share one copy of the parameters. Draws and reads
  /// nothing. Throws Error (config), CollectiveError.
  TrainingState(const Layout& layout, std::span<const std::string> state_names, const Config& config,
                const Job& job);

  struct Array {
    std::string name;  ///< as in the checkpoint: "momentum", "exp_avg", ...
    at::Tensor shard;  ///< float32 [shard.size()]
  };

  /// The weights that the run keeps besides the current ones: "ema", "swa", "best"; each includes running
  /// statistics.
  std::vector<Array> other_weights() const;

  /// This rank's shard of the weights that early stopping judges: the current ones, or their moving average.
  at::Tensor judged_weights(const Config::Training& settings) const {
    return watches_average(settings) ? ema : own_parameters();
  }

  /// The rank's shard of the parameters, a view.
  at::Tensor own_parameters() const { return parameters.slice(0, shard.begin, shard.end); }

  const Layout& layout;
  std::span<const Block> blocks;  ///< those that this rank owns
  Range shard;                    ///< the same range in elements of the flat buffer
  std::int64_t step = 0;          ///< steps done
  /// A signal has interrupted the evaluation after `step`: it comes first when the run resumes. Not part of
  /// the hash.
  bool evaluation_due = false;
  bool on_gpu;  ///< whether all arrays are in GPU memory (in tests: of a GPU double)
  /// float32 [layout.size()]: parameters and running statistics; the model's tensors are views of it. In host
  /// memory, the ranks of a host share one copy: each writes its own shard, and share_parameters() waits
  /// until all have.
  at::Tensor parameters;
  std::vector<Array> optimizer_state;  ///< in the optimiser's order
  /// float32 [shard.size()]: the averages, and the weights of the best epoch. Each is undefined if the
  /// configuration does not ask for it.
  at::Tensor ema, swa, best;
  Decisions decisions;
};

/// `tensor` in host memory: itself, or a copy of one on a GPU.
at::Tensor on_host(const at::Tensor& tensor);

/// Copies the model's parameters and running statistics into `flat`, float32 [layout.size()].
void store(const Model& model, const Layout& layout, const at::Tensor& flat);
/// Makes the model's parameters and running statistics views of `flat`, float32 [layout.size()]; they take
/// over its values.
void attach(Model& model, const Layout& layout, const at::Tensor& flat);

/// Collective: all-gathers the parameters, so that every rank has the shards of all ranks. Throws
/// CollectiveError.
void share_parameters(Job& job, TrainingState& state);
/// Collective: all-gathers every rank's `shard`, float32 on any device, into one flat buffer, float32
/// [layout.size()] in host memory, on all ranks. `transport` moves host memory. Throws CollectiveError.
at::Tensor gather_shards(Transport& transport, const Layout& layout, const at::Tensor& shard);

struct StateHashes {
  Hash128 state;                         ///< of the step and of all arrays
  std::map<std::string, Hash128> array;  ///< "weights" (with running statistics), the optimiser's, "ema", ...
};

/// The hashes of this rank's blocks of one array.
struct BlockHashes {
  std::string name;
  std::vector<Hash128> hashes;  ///< in block order, metrics left out
};

/// Hashes `blocks` one by one. `values`: float32, the array from element `begin` of the flat buffer on. Not
/// collective, thread-safe.
BlockHashes hash_blocks(const std::string& name, std::span<const Block> blocks, const float* values,
                        std::int64_t begin);

/// Collective: combines the block hashes of all ranks into the hashes of the state, the same on all ranks.
/// `own`: the same arrays on all ranks, in the order of the state. Throws CollectiveError.
StateHashes gather_hashes(Transport& transport, std::int64_t step, const Decisions& decisions,
                          std::span<const BlockHashes> own);

/// Collective: each block of each array is hashed by its owner, then these hashes in block order; the result
/// is the same for any world size. Padding and metrics are left out, and so are the decisions until one has
/// been made. Throws CollectiveError.
StateHashes hash_state(Transport& transport, const TrainingState& state);

}  // namespace lockstep
