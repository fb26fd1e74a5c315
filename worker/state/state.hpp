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

/// The state of a run. Every rank has all parameters; of everything else it has its own shard.
struct TrainingState {
  /// Zeros, with what `config` asks for, in host memory or on the GPU where the model computes. Collective:
  /// the ranks of a host share its parameters. Nothing is drawn or read here. Throws Error (config),
  /// CollectiveError.
  TrainingState(const Layout& layout, std::span<const std::string> optimizer_state, const Config& config,
                const Job& job);

  struct Array {
    std::string name;  ///< as in the checkpoint: "momentum", "exp_avg", ...
    at::Tensor shard;  ///< float32 [shard.size()]
  };

  /// Other weights than the current ones that the run keeps: "ema", "swa", "best"; each as of a model, with
  /// running statistics.
  std::vector<Array> other_weights() const;

  /// This rank's shard of the weights that early stopping judges: the current ones, or their moving average.
  at::Tensor judged_weights(const Config::Training& settings) const {
    return watches_average(settings) ? ema : own_parameters();
  }

  /// The rank's shard of the parameters, a view.
  at::Tensor own_parameters() const { return parameters.slice(0, shard.begin, shard.end); }

  const Layout& layout;
  std::span<const Block> blocks;  ///< that this rank owns
  Range shard;                    ///< the same as elements of the flat buffer
  std::int64_t step = 0;          ///< steps done
  /// A signal came in the middle of the evaluation after `step`, which is to be made up for first. No part of
  /// the hash.
  bool evaluation_due = false;
  bool on_gpu;  ///< whether all of it lies there (of tests: in a double of one)
  /// float32 [layout.size()]: parameters and running statistics, the model's own. In host memory one for all
  /// ranks of a host, which share it: each writes its own shard, and all agree when that is done.
  at::Tensor parameters;
  std::vector<Array> optimizer_state;  ///< in the optimiser's order
  /// float32 [shard.size()], each undefined where the configuration does not ask for it: the averages, and
  /// the weights of the best epoch.
  at::Tensor ema, swa, best;
  Decisions decisions;
};

/// `tensor` in host memory: itself, or a copy of one on a GPU.
at::Tensor on_host(const at::Tensor& tensor);

/// Copies the model's parameters and running statistics into `flat`, float32 [layout.size()].
void store(const Model& model, const Layout& layout, const at::Tensor& flat);
/// Points the model's parameters and running statistics at `flat`, whose values become theirs.
void attach(Model& model, const Layout& layout, const at::Tensor& flat);

/// Collective: every rank's shard of the parameters to all ranks. Throws CollectiveError.
void share_parameters(Job& job, TrainingState& state);
/// Collective: this rank's `shard` and everybody else's as one flat buffer, float32 [layout.size()] in host
/// memory, on all ranks. `transport` is the host's.
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

/// Hashes `blocks` one by one; `values` is the array from element `begin` of the flat buffer on. Not
/// collective, and safe beside other threads.
BlockHashes hash_blocks(const std::string& name, std::span<const Block> blocks, const float* values,
                        std::int64_t begin);

/// Collective: `own` has the same arrays on all ranks, in their order in the state. Throws CollectiveError.
StateHashes gather_hashes(Transport& transport, std::int64_t step, const Decisions& decisions,
                          std::span<const BlockHashes> own);

/// Collective: hashes every block of every array on its owner, then the hashes in block order; the same for
/// any world size. Padding and metrics are left out, and the decisions while none has been made. Throws
/// CollectiveError.
StateHashes hash_state(Transport& transport, const TrainingState& state);

}  // namespace lockstep
