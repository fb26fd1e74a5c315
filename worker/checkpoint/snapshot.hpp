// A copy of the data of a rank's part of a checkpoint, so that it can be written during the next steps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "collectives/transport.hpp"
#include "worker/files/safetensors.hpp"
#include "worker/state/state.hpp"

namespace lockstep {

/// Copies of a state's arrays in host memory: of each model, the elements that this rank writes or hashes; of
/// the optimiser, this rank's shard. The memory is reused for the next snapshot.
class Snapshot {
 public:
  /// `layout` must outlive the snapshot.
  Snapshot(const Layout& layout, int rank, int world_size);

  /// Collective: copies `state`. If a rank writes a whole tensor, the owners of its other parts send them to
  /// that rank. Throws CollectiveError.
  void take(Transport& transport, const TrainingState& state);

  /// Sets the paths, under `folder`, of the files that write() writes parts of: all files, on every rank.
  void place(const std::string& folder, const TrainingState& state);
  std::int64_t bytes_of_files() const;
  /// Creates the files with their headers and reserves their space. For rank 0. Throws Error (io).
  void create_files() const;
  /// Writes and syncs this rank's part of each file; the file need not exist yet. Throws Error (io).
  void write() const;
  /// Checks this rank's blocks. Throws Error (diverged) that names the first tensor with values that are not
  /// finite, or a negative running variance.
  void require_finite() const;
  /// Hashes this rank's blocks.
  void hash();

  std::int64_t step() const { return step_; }
  const Decisions& decisions() const { return decisions_; }
  const std::vector<BlockHashes>& hashes() const { return hashes_; }  ///< of the last hash()

 private:
  struct Copy {
    std::string name;
    std::vector<float> values;
  };
  void exchange_ends(Transport& transport);

  const Layout& layout_;
  std::vector<Range> shards_, held_;  ///< of each rank: what it owns, what it holds of a model
  int rank_;
  std::int64_t step_ = 0;
  Decisions decisions_;
  std::vector<Copy> models_, optimizer_;  ///< the weights first
  std::vector<SafetensorsFile> files_;    ///< of models_, then that of the optimiser
  std::vector<BlockHashes> hashes_;
};

}  // namespace lockstep
