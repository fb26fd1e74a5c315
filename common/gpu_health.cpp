#include "common/gpu_health.hpp"

namespace lockstep {

std::string slowed_by(const GpuHealth& health) {
  std::string text;
  for (const auto& reason : health.throttling) {
    if (reason != "power cap") text += (text.empty() ? "" : ", ") + reason;
  }
  return text;
}

std::string in_words(const RankGpu& gpu) {
  return "GPU " + std::to_string(gpu.index) + (gpu.uuid.empty() ? "" : ", " + gpu.uuid) +
         (gpu.address.empty() ? "" : ", PCI " + gpu.address);
}

}  // namespace lockstep
