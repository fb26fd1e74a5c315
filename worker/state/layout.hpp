// Where parameters, running statistics and metric sums lie in the flat buffers, which are cut into a fixed
// grid of blocks. The layout depends on the model alone, so results computed along it do not depend on the
// world size.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "collectives/tree.hpp"

namespace lockstep {

struct Model;

enum class Kind : std::uint8_t {
  decayed,    ///< a parameter that weight decay applies to
  undecayed,  ///< a bias, a norm's weight, or what Model::undecayed() names
  statistic,  ///< a batch norm's running mean or variance
  metric,     ///< sums over the samples of a step (Metric), never part of the state
};

/// Slots of the metric tensor. Counts are exact in float32 below 2^24 samples a step.
enum Metric : std::int64_t { metric_loss, metric_weight, metric_correct, metric_count };

/// One tensor of the model, or the metrics, in the flat buffer.
struct Entry {
  std::string name;                 ///< as in named_parameters() or named_buffers(); "" for the metrics
  std::vector<std::int64_t> shape;  ///< logical shape (convolutions: out, in, height, width)
  bool channels_last;               ///< stored as (out, height, width, in)
  Kind kind;
  std::int64_t offset, count;  ///< float32 elements

  bool is_parameter() const { return kind == Kind::decayed || kind == Kind::undecayed; }
};

/// A piece of one entry, at most `Layout::block_size` elements: the grid on which norms and hashes are
/// computed.
struct Block {
  std::int64_t offset, count;
  std::int32_t entry;
  Kind kind;

  bool is_parameter() const { return kind == Kind::decayed || kind == Kind::undecayed; }
};

class Layout {
 public:
  static constexpr std::int64_t block_size = 4096;
  static constexpr std::int64_t alignment = 16;  ///< elements: each entry starts on a cache line

  /// Parameters in order of registration, then running statistics, then the metrics. With `whole_entries` a
  /// shard ends where an entry does, for optimisers that update whole matrices.
  Layout(const Model& model, bool channels_last, bool whole_entries = false);

  const std::vector<Entry>& entries() const { return entries_; }
  const std::vector<Block>& blocks() const { return blocks_; }
  /// Length of a flat buffer in elements, padding included.
  std::int64_t size() const { return size_; }
  std::int64_t parameter_count() const;
  const Entry& metrics() const { return entries_.back(); }

  /// `entry`'s place in `flat` (float32 [size()]) as a tensor of its logical shape.
  at::Tensor view(const at::Tensor& flat, const Entry& entry) const;

  /// The blocks that `rank` owns: whole blocks (or entries), contiguous, about the same number of elements
  /// each. May be empty.
  std::span<const Block> own_blocks(int rank, int world_size) const;
  /// The same range in elements of the flat buffer: [first owned block's offset, next rank's first offset).
  Range shard(int rank, int world_size) const;
  std::vector<Range> shards(int world_size) const;

 private:
  void add(const std::string& name, at::IntArrayRef shape, bool channels_last, Kind kind);
  Range block_range(int rank, int world_size) const;
  std::int64_t first_block(int rank, int world_size) const;

  bool whole_entries_;
  std::vector<Entry> entries_;
  std::vector<Block> blocks_;
  std::int64_t size_ = 0;
};

}  // namespace lockstep
