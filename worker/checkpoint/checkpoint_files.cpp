#include "worker/checkpoint/checkpoint_files.hpp"

#include <algorithm>
#include <bit>

#include "common/error.hpp"
#include "worker/files/file.hpp"

namespace lockstep {
namespace {

/// The counter that follows a running variance of this name, "" for any other entry.
std::string counter_after(const Entry& entry) {
  constexpr std::string_view ending = "running_var";
  if (entry.kind != Kind::statistic || !entry.name.ends_with(ending)) return "";
  return entry.name.substr(0, entry.name.size() - ending.size()) + "num_batches_tracked";
}

/// The tensors of a model file, paired with the layout entry they belong to (of a counter, the variance).
std::vector<std::pair<TensorSpec, const Entry*>> model_tensors(const Layout& layout) {
  std::vector<std::pair<TensorSpec, const Entry*>> tensors;
  for (const auto& entry : layout.entries()) {
    if (entry.kind == Kind::metric) continue;
    tensors.push_back({{entry.name, "F32", entry.shape}, &entry});
  }
  // Counters come last: they are 8 bytes long, and everything before them is a multiple of 4.
  for (const auto& entry : layout.entries()) {
    if (const auto name = counter_after(entry); !name.empty()) tensors.push_back({{name, "I64", {}}, &entry});
  }
  return tensors;
}

bool is_counter(const TensorSpec& spec) { return spec.dtype == "I64"; }

bool begins_in(const Entry& entry, Range shard) {
  return shard.begin <= entry.offset && entry.offset < shard.end;
}

/// A tensor of (out, height, width, in) as (out, in, height, width).
void to_logical_order(const Entry& entry, const float* from, float* to) {
  const auto in = entry.shape[1], pixels = entry.shape[2] * entry.shape[3];
  for (std::int64_t out = 0; out < entry.shape[0]; ++out, from += in * pixels) {
    for (std::int64_t i = 0; i < in; ++i) {
      for (std::int64_t pixel = 0; pixel < pixels; ++pixel) *to++ = from[pixel * in + i];
    }
  }
}

/// `values` are those of `shard`, whose `blocks` are in its order.
bool is_zero_between_blocks(const float* values, std::span<const Block> blocks, Range shard) {
  const auto zero = [&](std::int64_t from, std::int64_t to) {
    return std::all_of(values + (from - shard.begin), values + (to - shard.begin),
                       [](float value) { return std::bit_cast<std::uint32_t>(value) == 0; });
  };
  auto end = shard.begin;  // of the block before
  for (const auto& block : blocks) {
    if (block.kind == Kind::metric) continue;
    if (!zero(end, block.offset)) return false;
    end = block.offset + block.count;
  }
  return zero(end, shard.end);
}

}  // namespace

SafetensorsFile model_file(const std::string& path, const Layout& layout) {
  std::vector<TensorSpec> specs;
  for (const auto& [spec, entry] : model_tensors(layout)) specs.push_back(spec);
  return {path, specs};
}

SafetensorsFile optimizer_file(const std::string& path, const TrainingState& state) {
  std::vector<TensorSpec> specs;
  for (const auto& array : state.optimizer_state) specs.push_back({array.name, "F32", {state.layout.size()}});
  return {path, specs};
}

Range elements_to_write(const Layout& layout, Range shard) {
  auto range = shard;
  for (const auto& entry : layout.entries()) {
    if (entry.channels_last && begins_in(entry, shard))
      range.end = std::max(range.end, entry.offset + entry.count);
  }
  return range;
}

void write_model_part(const SafetensorsFile& file, const Layout& layout, Range shard, const float* values,
                      std::int64_t step) {
  PartFile out(file.path(), PartFile::Mode::write);
  const auto tensors = model_tensors(layout);
  std::vector<float> reordered;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto& entry = *tensors[i].second;
    if (is_counter(tensors[i].first)) {
      if (begins_in(entry, shard)) out.write(&step, sizeof step, file.offset(i));
    } else if (entry.channels_last) {
      if (!begins_in(entry, shard)) continue;
      reordered.resize(entry.count);
      to_logical_order(entry, values + (entry.offset - shard.begin), reordered.data());
      out.write(reordered.data(), entry.count * 4, file.offset(i));
    } else {
      const auto from = std::max(entry.offset, shard.begin);
      const auto to = std::min(entry.offset + entry.count, shard.end);
      if (from < to)
        out.write(values + (from - shard.begin), (to - from) * 4, file.offset(i) + (from - entry.offset) * 4);
    }
  }
  out.sync();
}

void read_model(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat,
                std::optional<std::int64_t> step) {
  PartFile in(file.path(), PartFile::Mode::read);
  const auto tensors = model_tensors(layout);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (is_counter(tensors[i].first)) {
      std::int64_t counted = 0;
      in.read(&counted, sizeof counted, file.offset(i));
      if (!step || counted == *step) continue;
      throw Error(
          ExitCode::io, file.path() + " is damaged",
          tensors[i].first.name + " is " + std::to_string(counted) + " after step " + std::to_string(*step));
    }
    auto values = at::empty(tensors[i].first.shape);
    in.read(values.data_ptr(), tensors[i].first.bytes(), file.offset(i));
    layout.view(flat, *tensors[i].second).copy_(values);
  }
}

void write_optimizer_part(const SafetensorsFile& file, Range shard, std::span<const float* const> arrays) {
  PartFile out(file.path(), PartFile::Mode::write);
  for (std::size_t i = 0; i < arrays.size(); ++i)
    out.write(arrays[i], shard.size() * 4, file.offset(i) + shard.begin * 4);
  out.sync();
}

void read_optimizer_part(const SafetensorsFile& file, TrainingState& state) {
  PartFile in(file.path(), PartFile::Mode::read);
  for (std::size_t i = 0; i < state.optimizer_state.size(); ++i) {
    auto values = at::empty({state.shard.size()});
    in.read(values.data_ptr(), state.shard.size() * 4, file.offset(i) + state.shard.begin * 4);
    if (!is_zero_between_blocks(values.data_ptr<float>(), state.blocks, state.shard))
      throw Error(ExitCode::io, file.path() + " is damaged",
                  "there is something in the padding of " + state.optimizer_state[i].name);
    state.optimizer_state[i].shard.copy_(values);
  }
}

}  // namespace lockstep
