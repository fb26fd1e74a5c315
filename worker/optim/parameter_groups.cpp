#include "worker/optim/parameter_groups.hpp"

#include <algorithm>
#include <cmath>

namespace lockstep {
namespace {

std::vector<std::string> parts_of(const std::string& name) {
  std::vector<std::string> parts(1);
  for (const char c : name) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  return parts;
}

bool is_number(const std::string& part) {
  return !part.empty() && part.find_first_not_of("0123456789") == std::string::npos;
}

/// "layer1.0" of "layer1.0.conv1.weight", "stages.1.blocks.2" of "stages.1.blocks.2.mlp.fc1.bias"; "" for
/// what is in no numbered module, and for the stem.
std::string numbered_module(const std::string& name) {
  const auto parts = parts_of(name);
  if (parts.front() == "stem") return "";
  std::string module;
  std::size_t length = 0;
  for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
    module += (i ? "." : "") + parts[i];
    const bool nested = i > 0 && parts[i - 1] == "blocks";
    if (is_number(parts[i]) && (length == 0 || nested)) length = module.size();
    // Downsampling between two stages belongs to the first block after it.
    if (parts.front() == "stages" && parts[i] == "downsample") return module.substr(0, length) + ".blocks.0";
  }
  return module.substr(0, length);
}

/// "2" of "conv2.weight" and "bn2.bias": the layers of networks without numbered modules.
std::string number_behind(const std::string& name) {
  const auto first = parts_of(name).front();
  return first.substr(first.find_last_not_of("0123456789") + 1);
}

std::string module_of(const std::string& name) { return name.substr(0, name.rfind('.')); }

/// The layer of each parameter, counted from 0 in order of registration, for names like torchvision's and
/// timm's.
std::vector<int> layers_of(const std::vector<std::string>& names) {
  const bool flat =
      std::ranges::all_of(names, [](const auto& name) { return numbered_module(name).empty(); });
  const auto layer_of = flat ? number_behind : numbered_module;
  std::vector<std::string> modules = {""};  // the stem, then the numbered modules in order
  for (const auto& name : names) {
    const auto module = layer_of(name);
    if (std::ranges::find(modules, module) == modules.end()) modules.push_back(module);
  }
  const auto last_layer = parts_of(names.back()).front();
  std::vector<int> layers;
  int deepest = 0;
  for (const auto& name : names) {
    const auto module = layer_of(name);
    const auto index = static_cast<int>(std::ranges::find(modules, module) - modules.begin());
    deepest = std::max(deepest, index);
    // An unnumbered module after a numbered one: the last layer, or a norm that belongs to the module before
    // it.
    const int behind = parts_of(name).front() == last_layer ? static_cast<int>(modules.size()) : deepest;
    layers.push_back(index == 0 && deepest > 0 ? behind : index);
  }
  return layers;
}

}  // namespace

std::vector<ParameterGroup> parameter_groups(const Layout& layout, const Config::Optimizer& settings) {
  std::vector<std::string> names;
  for (const auto& entry : layout.entries()) {
    if (entry.is_parameter()) names.push_back(entry.name);
  }
  const auto layers = layers_of(names);
  const auto last = std::ranges::max(layers);
  std::vector<ParameterGroup> groups(layout.entries().size());
  for (std::size_t i = 0; i < names.size(); ++i) {  // parameters come first in a layout
    const auto& entry = layout.entries()[i];
    const bool head = module_of(entry.name) == module_of(names.back());
    groups[i].rate_factor = std::pow(settings.layer_decay, last - layers[i]);
    if (head && settings.head_learning_rate) {
      groups[i].rate_factor = *settings.head_learning_rate / settings.learning_rate;
    }
    const bool decayed = entry.kind == Kind::decayed || !settings.no_decay_bias_norm;
    groups[i].weight_decay = decayed ? settings.weight_decay : 0;
    groups[i].is_matrix = !head && entry.kind == Kind::decayed;
  }
  return groups;
}

}  // namespace lockstep
