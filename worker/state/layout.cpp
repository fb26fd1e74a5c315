#include "worker/state/layout.hpp"

#include <algorithm>

#include "worker/models/model.hpp"

namespace lockstep {
namespace {

std::int64_t aligned(std::int64_t count) {
  return (count + Layout::alignment - 1) / Layout::alignment * Layout::alignment;
}

}  // namespace

Layout::Layout(const Model& model, bool channels_last, bool whole_entries) : whole_entries_(whole_entries) {
  for (const auto& item : model.named_parameters()) {
    const auto& p = item.value();
    // One-dimensional parameters are biases and norms: decaying them hurts (Goyal et al. 2017; He et al.
    // 2019).
    const bool decayed = p.dim() > 1 && !model.undecayed(item.key());
    add(item.key(), p.sizes(), channels_last && p.dim() == 4, decayed ? Kind::decayed : Kind::undecayed);
  }
  for (const auto& item : model.named_buffers())
    add(item.key(), item.value().sizes(), false, Kind::statistic);
  add("", {metric_count}, false, Kind::metric);
}

void Layout::add(const std::string& name, at::IntArrayRef shape, bool channels_last, Kind kind) {
  const auto count = std::max<std::int64_t>(c10::multiply_integers(shape), 1);
  const auto index = static_cast<std::int32_t>(entries_.size());
  entries_.push_back({name, shape.vec(), channels_last, kind, size_, count});
  for (std::int64_t begin = 0; begin < count; begin += block_size) {
    blocks_.push_back({size_ + begin, std::min(block_size, count - begin), index, kind});
  }
  size_ += aligned(count);
}

std::int64_t Layout::parameter_count() const {
  std::int64_t count = 0;
  for (const auto& entry : entries_) {
    if (entry.is_parameter()) count += entry.count;
  }
  return count;
}

at::Tensor Layout::view(const at::Tensor& flat, const Entry& entry) const {
  auto part = flat.narrow(0, entry.offset, entry.count);
  if (!entry.channels_last) return part.view(entry.shape);
  const auto& s = entry.shape;
  return part.view({s[0], s[2], s[3], s[1]}).permute({0, 3, 1, 2});
}

std::int64_t Layout::first_block(int rank, int world_size) const {
  if (rank == world_size) return static_cast<std::int64_t>(blocks_.size());
  const auto target = size_ * rank / world_size;
  auto first =
      std::lower_bound(blocks_.begin(), blocks_.end(), target,
                       [](const Block& block, std::int64_t offset) { return block.offset < offset; });
  while (whole_entries_ && first != blocks_.end() && first->offset != entries_[first->entry].offset) ++first;
  return first - blocks_.begin();
}

Range Layout::block_range(int rank, int world_size) const {
  return {first_block(rank, world_size), first_block(rank + 1, world_size)};
}

std::span<const Block> Layout::own_blocks(int rank, int world_size) const {
  const auto range = block_range(rank, world_size);
  return std::span(blocks_).subspan(range.begin, range.size());
}

Range Layout::shard(int rank, int world_size) const {
  const auto offset = [&](std::int64_t block) {
    return block == static_cast<std::int64_t>(blocks_.size()) ? size_ : blocks_[block].offset;
  };
  const auto range = block_range(rank, world_size);
  return {offset(range.begin), offset(range.end)};
}

std::vector<Range> Layout::shards(int world_size) const {
  std::vector<Range> ranges;
  for (int rank = 0; rank < world_size; ++rank) ranges.push_back(shard(rank, world_size));
  return ranges;
}

}  // namespace lockstep
