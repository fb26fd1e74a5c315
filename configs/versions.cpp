#include "configs/versions.hpp"

#include <algorithm>

namespace lockstep {
namespace {

const std::vector<FormerDefault>& all_former_defaults() {
  static const std::vector<FormerDefault> list = {{1, "optimizer.name", Text("sgd")}};
  return list;
}

}  // namespace

std::vector<FormerDefault> former_defaults(Integer version) {
  std::vector<FormerDefault> kept;
  std::ranges::copy_if(all_former_defaults(), std::back_inserter(kept),
                       [&](const FormerDefault& former) { return version <= former.last_version; });
  return kept;
}

bool is_new_in_templates(const std::string& name, Integer version) {
  return version <= 1 && (name == "augmentation.crop_padding" || name == "augmentation.flip_probability");
}

std::string former_origin(const FormerDefault& former) {
  return "default of config_version " + std::to_string(former.last_version);
}

std::string former_default_text(const Parameter& row) {
  for (const FormerDefault& former : all_former_defaults()) {
    if (former.name != row.name()) continue;
    return toml_text(former.value, row.bounds.empty_is_auto) + " up to config_version " +
           std::to_string(former.last_version) + ", and in files that name no version";
  }
  return "";
}

}  // namespace lockstep
