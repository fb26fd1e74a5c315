#include "worker/models/pretrained.hpp"

#include <algorithm>
#include <optional>

#include "common/error.hpp"
#include "common/log.hpp"
#include "configs/text.hpp"
#include "worker/files/file.hpp"
#include "worker/files/safetensors.hpp"
#include "worker/models/finite.hpp"
#include "worker/models/foreign_file.hpp"
#include "worker/models/model.hpp"

namespace lockstep {
namespace {

using Stored = std::map<std::string, StoredTensor>;
using Named = torch::OrderedDict<std::string, torch::Tensor>;

std::optional<at::ScalarType> type_of(const std::string& dtype) {
  if (dtype == "F32") return at::kFloat;
  if (dtype == "F16") return at::kHalf;
  if (dtype == "BF16") return at::kBFloat16;
  if (dtype == "F64") return at::kDouble;
  return std::nullopt;
}

/// The prefix, up to and including its first dot, that all names of `stored` and none of the model's have; ""
/// if there is none.
std::string prefix_of(const Stored& stored, const Named& named) {
  const auto& first = stored.begin()->first;
  const auto prefix = first.substr(0, first.find('.') + 1);
  if (prefix.empty()) return "";
  const bool all =
      std::ranges::all_of(stored, [&](const auto& item) { return item.first.starts_with(prefix); });
  const bool own =
      std::ranges::any_of(named, [&](const auto& item) { return item.key().starts_with(prefix); });
  return all && !own ? prefix : "";
}

/// Removes the prefixes that wrappers have put in front of all names, one after another: module. of
/// DistributedDataParallel, _orig_mod. of torch.compile, model. of Lightning. Returns what was removed; ""
/// and no change if no name of the model appears.
std::string take_prefix_away(Stored& stored, const Named& named) {
  auto left = stored;
  std::string all;
  while (!left.empty()) {
    const auto prefix = prefix_of(left, named);
    if (prefix.empty()) break;
    Stored shorter;
    for (auto& [name, tensor] : left) shorter.emplace(name.substr(prefix.size()), std::move(tensor));
    left = std::move(shorter);
    all += prefix;
  }
  if (std::ranges::none_of(named, [&](const auto& item) { return left.contains(item.key()); })) return "";
  stored = std::move(left);
  return all;
}

/// The prefix under which `stored` has all of the model's tensors, among others; "" if there is none.
std::string prefix_of_some(const Stored& stored, const std::vector<Named::Item>& model) {
  constexpr const char* plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.";
  for (const auto& [name, tensor] : stored) {
    if (!name.ends_with("." + model.front().key())) continue;
    const auto prefix = name.substr(0, name.size() - model.front().key().size());
    if (prefix.find_first_not_of(plain) == prefix.npos &&
        std::ranges::all_of(model, [&](const auto& item) { return stored.contains(prefix + item.key()); }))
      return prefix;
  }
  return "";
}

std::string text_of(at::IntArrayRef shape) {
  std::string text;
  for (auto size : shape) text += (text.empty() ? "" : ", ") + std::to_string(size);
  return "[" + text + "]";
}

/// The name of the model's last layer, followed by a dot.
std::string last_layer(const Named& parameters) {
  const auto& name = parameters.back().key();
  return name.substr(0, name.rfind('.') + 1);
}

/// Why `stored` cannot fill `tensor`; "" if it can.
std::string mismatch(const std::string& name, const torch::Tensor& tensor, const Stored& stored) {
  const auto found = stored.find(name);
  if (found == stored.end()) return name + " is missing";
  const auto& [dtype, shape, begin, end] = found->second;
  if (tensor.sizes() != at::IntArrayRef(shape))
    return name + " is " + text_of(shape) + " instead of " + text_of(tensor.sizes());
  const auto type = type_of(dtype);
  if (!type) return name + " is " + dtype + " instead of F32";
  const auto bytes = tensor.numel() * static_cast<std::int64_t>(at::elementSize(*type));
  return end - begin == bytes ? "" : name + " has " + std::to_string(end - begin) + " bytes";
}

/// Whether the file has the layer `prefix`, in another shape.
bool has_other_shape(const std::string& prefix, const Named& named, const Stored& stored) {
  bool differs = false;
  for (const auto& item : named) {
    if (!item.key().starts_with(prefix)) continue;
    const auto found = stored.find(item.key());
    if (found == stored.end()) return false;
    differs |= item.value().sizes() != at::IntArrayRef(found->second.shape);
  }
  return differs;
}

/// The input ranges of quantisation-aware training. Weights trained with and without them can start each
/// other's runs.
bool is_input_range(const std::string& name) {
  return name.ends_with(".input_min") || name.ends_with(".input_max");
}

void require_fit(const std::vector<std::string>& problems, const std::string& path, const Stored& stored,
                 const std::vector<Named::Item>& wanted) {
  if (problems.empty()) return;
  constexpr std::size_t shown = 3;
  std::string text;
  for (std::size_t i = 0; i < std::min(shown, problems.size()); ++i) text += (i ? "; " : "") + problems[i];
  if (problems.size() > shown) text += "; and " + std::to_string(problems.size() - shown) + " more";
  const auto prefix = prefix_of_some(stored, wanted);
  throw Error(ExitCode::config, "model.pretrained = \"" + path + "\" is not of this model", text,
              prefix.empty()
                  ? "take a file of the same model.name, input channels and kind of first layer"
                  : "those with the prefix \"" + prefix + "\" are, among others: keep them alone with " +
                        line_that_keeps(path, prefix) + ", and name the file that it writes");
}

}  // namespace

void load_pretrained(Model& model, const std::string& path) {
  if (path.empty()) return;
  torch::NoGradGuard no_grad;
  refuse_foreign_file(path);
  auto stored = tensors_in(path);
  auto named = model.named_parameters();
  const auto last = last_layer(named);
  const auto prefix = take_prefix_away(stored, named);
  const bool new_last = has_other_shape(last, named, stored);
  named.update(model.named_buffers());

  std::vector<Named::Item> taken;  // from the file
  for (const auto& item : named) {
    const bool keeps_its_own = is_input_range(item.key()) && !stored.contains(item.key());
    if (!keeps_its_own && !(new_last && item.key().starts_with(last))) taken.push_back(item);
  }
  std::vector<std::string> problems;
  for (const auto& item : taken) {
    auto problem = mismatch(item.key(), item.value(), stored);
    if (!problem.empty()) problems.push_back(std::move(problem));
  }
  for (const auto& [name, tensor] : stored) {
    if (!named.contains(name) && !name.ends_with("num_batches_tracked") && !is_input_range(name))
      problems.push_back(on_one_line(shortened(name)) + " is not in the model");
  }
  require_fit(problems, path, stored, taken);

  PartFile file(path, PartFile::Mode::read);
  for (auto& item : taken) {
    const auto& [dtype, shape, begin, end] = stored.at(item.key());
    const auto values = at::empty(shape, *type_of(dtype));
    file.read(values.data_ptr(), end - begin, begin);
    const auto numbers = values.to(at::kFloat);
    const auto trouble =
        trouble_in(item.key(), {numbers.const_data_ptr<float>(), static_cast<std::size_t>(numbers.numel())});
    if (!trouble.empty())
      throw Error(ExitCode::config, "model.pretrained = \"" + path + "\" is no start for a run", trouble,
                  "take weights of a run that has not diverged");
    item.value().copy_(numbers);
  }
  if (!prefix.empty())
    log_warning(path + ": the prefix \"" + on_one_line(shortened(prefix)) +
                "\" of all its names is left out");
  if (new_last) {
    log_warning(path + " has a last layer, " + last.substr(0, last.size() - 1) +
                ", of another shape: it begins with new weights");
  }
}

}  // namespace lockstep
