#include "worker/checkpoint/snapshot.hpp"

#include <algorithm>

#include "common/small_file.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"
#include "worker/models/finite.hpp"
#include "worker/state/finite_weights.hpp"

namespace lockstep {
namespace {

/// From host or GPU memory.
void copy_to_host(float* to, const at::Tensor& from) {
  at::from_blob(to, from.sizes(), at::kFloat).copy_(from);
}

}  // namespace

Snapshot::Snapshot(const Layout& layout, int rank, int world_size)
    : layout_(layout), shards_(layout.shards(world_size)), rank_(rank) {
  for (const auto& shard : shards_) held_.push_back(elements_to_write(layout, shard));
}

void Snapshot::take(Transport& transport, const TrainingState& state) {
  step_ = state.step;
  decisions_ = state.decisions;
  const auto copy = [](std::vector<Copy>& copies, std::size_t index, const std::string& name, Range held,
                       const at::Tensor& from) {
    if (index == copies.size()) copies.push_back({name, std::vector<float>(held.size())});
    copy_to_host(copies[index].values.data(), from);
  };
  const auto shard = shards_[rank_], held = held_[rank_];
  copy(models_, 0, "weights", held, state.parameters.slice(0, held.begin, held.end));
  const auto others = state.other_weights();
  for (std::size_t i = 0; i < others.size(); ++i) copy(models_, i + 1, others[i].name, held, others[i].shard);
  for (std::size_t i = 0; i < state.optimizer_state.size(); ++i)
    copy(optimizer_, i, state.optimizer_state[i].name, shard, state.optimizer_state[i].shard);
  exchange_ends(transport);
}

void Snapshot::exchange_ends(Transport& transport) {
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  const auto own = shards_[rank_];
  for (std::size_t i = 1; i < models_.size(); ++i) {  // not the weights: every rank has all of them
    auto* values = models_[i].values.data();
    for (int peer = 0; peer < static_cast<int>(shards_.size()); ++peer) {
      if (peer == rank_) continue;
      const auto there = common_part(own, {shards_[peer].end, held_[peer].end});
      const auto here = common_part(shards_[peer], {own.end, held_[rank_].end});
      if (there.size() > 0)
        outgoing.push_back({peer, values + (there.begin - own.begin), there.size() * sizeof(float)});
      if (here.size() > 0)
        incoming.push_back({peer, values + (here.begin - own.begin), here.size() * sizeof(float)});
    }
  }
  transport.exchange(outgoing, incoming);
}

void Snapshot::place(const std::string& folder, const TrainingState& state) {
  files_.clear();
  for (const auto& model : models_)
    files_.push_back(model_file(folder + "/" + model.name + ".safetensors", layout_));
  files_.push_back(optimizer_file(folder + "/optimizer.safetensors", state));
}

std::int64_t Snapshot::bytes_of_files() const {
  std::int64_t bytes = 0;
  for (const auto& file : files_) bytes += file.size();
  return bytes;
}

void Snapshot::create_files() const {
  for (const auto& file : files_) file.create();
}

void Snapshot::write() const {
  const auto shard = shards_[rank_];
  for (std::size_t i = 0; i < models_.size(); ++i)
    with_patience([&] { write_model_part(files_[i], layout_, shard, models_[i].values.data(), step_); });
  std::vector<const float*> arrays;
  for (const auto& array : optimizer_) arrays.push_back(array.values.data());
  with_patience([&] { write_optimizer_part(files_.back(), shard, arrays); });
}

void Snapshot::require_finite() const {
  const auto blocks = layout_.own_blocks(rank_, static_cast<int>(shards_.size()));
  const auto look_through = [&](const Copy& copy, const std::string& file) {
    const auto trouble = trouble_in_blocks(layout_, blocks, copy.values.data(), shards_[rank_].begin);
    if (!trouble.empty())
      throw diverged("the state after step " + std::to_string(step_) + " is not saved",
                     "in " + copy.name + file + ", " + trouble);
  };
  for (const auto& model : models_) look_through(model, ".safetensors");
  for (const auto& array : optimizer_) look_through(array, " of optimizer.safetensors");
}

void Snapshot::hash() {
  const auto blocks = layout_.own_blocks(rank_, static_cast<int>(shards_.size()));
  const auto begin = shards_[rank_].begin;
  hashes_.clear();
  const auto add = [&](const Copy& copy) {
    hashes_.push_back(hash_blocks(copy.name, blocks, copy.values.data(), begin));
  };
  add(models_.front());
  for (const auto& array : optimizer_) add(array);
  std::for_each(models_.begin() + 1, models_.end(), add);
}

}  // namespace lockstep
