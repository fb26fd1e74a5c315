#include "worker/checkpoint/checkpoint_files.hpp"

#include <algorithm>

namespace lockstep {
namespace {

/// The counter that follows a running variance of this name, "" for any other entry.
std::string counter_after(const Entry& entry) {
  constexpr std::string_view ending = "running_var";
  if (entry.kind != Kind::statistic || !entry.name.ends_with(ending)) return "";
  return entry.name.substr(0, entry.name.size() - ending.size()) + "num_batches_tracked";
}

/// The tensors of a model file, paired with the layout entry they come from (null for counters).
std::vector<std::pair<TensorSpec, const Entry*>> model_tensors(const Layout& layout) {
  std::vector<std::pair<TensorSpec, const Entry*>> tensors;
  for (const auto& entry : layout.entries()) {
    if (entry.kind == Kind::metric) continue;
    tensors.push_back({{entry.name, "F32", entry.shape}, &entry});
  }
  // Counters come last: they are 8 bytes long, and everything before them is a multiple of 4.
  for (const auto& entry : layout.entries()) {
    if (const auto name = counter_after(entry); !name.empty())
      tensors.push_back({{name, "I64", {}}, nullptr});
  }
  return tensors;
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

void write_model_part(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat,
                      std::int64_t step, Range part) {
  PartFile out(file.path(), PartFile::Mode::write);
  const auto data_begin = file.offset(0);
  const auto tensors = model_tensors(layout);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto begin = file.offset(i) - data_begin, end = file.offset(i + 1) - data_begin;
    const auto from = std::max(begin, part.begin), to = std::min(end, part.end);
    if (from >= to) continue;
    const auto* entry = tensors[i].second;
    const auto values = entry ? layout.view(flat, *entry).contiguous() : at::scalar_tensor(step, at::kLong);
    out.write(static_cast<const char*>(values.data_ptr()) + (from - begin), to - from, data_begin + from);
  }
  out.sync();
}

void read_model(const SafetensorsFile& file, const Layout& layout, const at::Tensor& flat) {
  PartFile in(file.path(), PartFile::Mode::read);
  const auto tensors = model_tensors(layout);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].second) continue;
    auto values = at::empty(tensors[i].first.shape);
    in.read(values.data_ptr(), tensors[i].first.bytes(), file.offset(i));
    layout.view(flat, *tensors[i].second).copy_(values);
  }
}

void write_optimizer_part(const SafetensorsFile& file, const TrainingState& state) {
  PartFile out(file.path(), PartFile::Mode::write);
  for (std::size_t i = 0; i < state.optimizer_state.size(); ++i) {
    out.write(state.optimizer_state[i].shard.data_ptr(), state.shard.size() * 4,
              file.offset(i) + state.shard.begin * 4);
  }
  out.sync();
}

void read_optimizer_part(const SafetensorsFile& file, TrainingState& state) {
  PartFile in(file.path(), PartFile::Mode::read);
  for (std::size_t i = 0; i < state.optimizer_state.size(); ++i) {
    in.read(state.optimizer_state[i].shard.data_ptr(), state.shard.size() * 4,
            file.offset(i) + state.shard.begin * 4);
  }
}

}  // namespace lockstep
