#include "target.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "common/error.hpp"

namespace lockstep::fuzz {
namespace {

constexpr std::array all{
    Target{"batch_job", read_batch_job},
    Target{"cifar", read_cifar_folder},
    Target{"hostfile", read_hostfile},
    Target{"hosts", read_hosts},
    Target{"idx", read_idx_folder},
    Target{"image", read_image},
    Target{"image_folder", read_image_folder},
    Target{"import", read_import},
    Target{"manifest", read_manifest_file},
    Target{"metrics", read_metrics_and_result},
    Target{"overrides", read_overrides},
    Target{"packed", read_packed},
    Target{"plan", read_plan},
    Target{"safetensors", read_safetensors},
    Target{"scontrol", read_scontrol},
    Target{"set_aside", read_what_is_set_aside},
    Target{"slurm_variables", read_slurm_variables},
    Target{"statuses", read_statuses},
    Target{"tar", read_tar},
    Target{"toml", read_toml},
    Target{"visible_gpus", read_visible_gpus},
};

}  // namespace

std::span<const Target> targets() { return all; }

const Target* target_named(std::string_view name) {
  const auto found = std::ranges::find(all, name, &Target::name);
  if (found != all.end()) return found;
  std::fprintf(stderr, "there is no target \"%.*s\"; there are", static_cast<int>(name.size()), name.data());
  for (const auto& target : all) std::fprintf(stderr, " %s", target.name.data());
  std::fprintf(stderr, "\n");
  return nullptr;
}

void feed(const Target& target, Bytes bytes) {
  try {
    target.read(bytes);
  } catch (const Error&) {
  }
}

int nesting_of(Bytes bytes) {
  int depth = 0, deepest = 0;
  for (const auto byte : bytes) {
    if (byte == '[' || byte == '{') deepest = std::max(deepest, ++depth);
    if (byte == ']' || byte == '}') --depth;
  }
  return deepest;
}

void broken(const std::string& what) {
  std::fprintf(stderr, "%s\n", what.c_str());
  std::abort();
}

}  // namespace lockstep::fuzz
