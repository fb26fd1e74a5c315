#include "worker/state/state.hpp"

#include <cstring>

#include "collectives/all_gather.hpp"
#include "worker/models/model.hpp"

namespace lockstep {
namespace {

/// Calls `action(entry, tensor)` for every parameter and running statistic of the model.
template <class Action>
void for_each_tensor(const Model& model, const Layout& layout, const Action& action) {
  at::NoGradGuard no_grad;
  const auto parameters = model.named_parameters();
  const auto buffers = model.named_buffers();
  for (const auto& entry : layout.entries()) {
    if (entry.kind == Kind::metric) continue;
    action(entry, entry.kind == Kind::statistic ? buffers[entry.name] : parameters[entry.name]);
  }
}

/// Collective: float32 [count], zeros, in memory that all ranks of the host share.
at::Tensor shared_floats(HostMemory& host, std::int64_t count) {
  auto block = std::make_shared<SharedBlock>(host.allocate(sizeof(float) * static_cast<std::size_t>(count)));
  return at::from_blob(
      block->data(), {count}, [block](void*) {}, at::kFloat);
}

std::vector<Range> bytes_of_shards(const Layout& layout, int world_size) {
  std::vector<Range> bytes;
  for (const auto& shard : layout.shards(world_size)) bytes.push_back({shard.begin * 4, shard.end * 4});
  return bytes;
}

}  // namespace

TrainingState::TrainingState(const Layout& layout_, std::span<const std::string> state_names,
                             const Config& config, const Job& job)
    : layout(layout_),
      blocks(layout_.own_blocks(job.rank(), job.world_size())),
      shard(layout_.shard(job.rank(), job.world_size())),
      on_gpu(job.compute.gpu().has_value()),
      parameters(on_gpu ? at::zeros({layout_.size()}, job.compute.device)
                        : shared_floats(job.memory, layout_.size())) {
  const auto zeros = [&] { return at::zeros({shard.size()}, parameters.options()); };
  for (const auto& name : state_names) optimizer_state.push_back({name, zeros()});
  if (config.averaging.model_ema) ema = zeros();
  if (config.averaging.use_swa) swa = zeros();
  if (config.training.early_stopping && config.training.restore_best) best = zeros();
}

std::vector<TrainingState::Array> TrainingState::other_weights() const {
  std::vector<Array> arrays;
  for (const auto& array : {Array{"ema", ema}, {"swa", swa}, {"best", best}}) {
    if (array.shard.defined()) arrays.push_back(array);
  }
  return arrays;
}

at::Tensor on_host(const at::Tensor& tensor) { return tensor.to(at::kCPU); }

void store(const Model& model, const Layout& layout, const at::Tensor& flat) {
  for_each_tensor(model, layout,
                  [&](const Entry& entry, at::Tensor tensor) { layout.view(flat, entry).copy_(tensor); });
}

void attach(Model& model, const Layout& layout, const at::Tensor& flat) {
  for_each_tensor(model, layout,
                  [&](const Entry& entry, at::Tensor tensor) { tensor.set_data(layout.view(flat, entry)); });
}

void share_parameters(Job& job, TrainingState& state) {
  const auto shards = bytes_of_shards(state.layout, job.world_size());
  if (state.on_gpu) return all_gather(job.transport(), state.parameters.data_ptr(), shards);
  all_gather(job.memory, state.parameters.data_ptr(), shards);
}

at::Tensor gather_shards(Transport& transport, const Layout& layout, const at::Tensor& shard) {
  auto flat = at::zeros({layout.size()});
  const auto own = layout.shard(transport.rank(), transport.world_size());
  flat.slice(0, own.begin, own.end).copy_(shard);
  all_gather(transport, flat.data_ptr(), bytes_of_shards(layout, transport.world_size()));
  return flat;
}

BlockHashes hash_blocks(const std::string& name, std::span<const Block> blocks, const float* values,
                        std::int64_t begin) {
  BlockHashes array{name, {}};
  for (const auto& block : blocks) {
    if (block.kind == Kind::metric) continue;
    array.hashes.push_back(hash_bytes(values + (block.offset - begin), block.count * sizeof(float)));
  }
  return array;
}

StateHashes gather_hashes(Transport& transport, std::int64_t step, const Decisions& decisions,
                          std::span<const BlockHashes> own) {
  std::vector<Hash128> own_hashes;  // array after array
  for (const auto& array : own) own_hashes.insert(own_hashes.end(), array.hashes.begin(), array.hashes.end());
  const auto parts = gather_bytes(transport, std::as_bytes(std::span(own_hashes)));
  StateHashes hashes;
  std::vector<Hash128> in_order{hash_bytes(&step, sizeof step)};
  for (std::size_t i = 0; i < own.size(); ++i) {
    std::vector<std::byte> of_array;
    for (const auto& part : parts) {
      const auto bytes = static_cast<std::ptrdiff_t>(part.size() / own.size());  // a rank's arrays are alike
      const auto begin = part.begin() + static_cast<std::ptrdiff_t>(i) * bytes;
      of_array.insert(of_array.end(), begin, begin + bytes);
    }
    in_order.push_back(hashes.array[own[i].name] = hash_bytes(of_array.data(), of_array.size()));
  }
  if (decisions != Decisions{}) in_order.push_back(hash_bytes(&decisions, sizeof decisions));
  hashes.state = hash_of_hashes(in_order);
  return hashes;
}

StateHashes hash_state(Transport& transport, const TrainingState& state) {
  std::vector<BlockHashes> own;
  const auto add = [&](const std::string& name, const at::Tensor& shard) {
    const auto values = on_host(shard);
    own.push_back(hash_blocks(name, state.blocks, values.data_ptr<float>(), state.shard.begin));
  };
  add("weights", state.own_parameters());
  for (const auto& array : state.optimizer_state) add(array.name, array.shard);
  for (const auto& array : state.other_weights()) add(array.name, array.shard);
  return gather_hashes(transport, state.step, state.decisions, own);
}

}  // namespace lockstep
