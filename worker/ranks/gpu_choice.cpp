#include "worker/ranks/gpu_choice.hpp"

#include <cstdlib>

#include "collectives/gpu.hpp"
#include "common/log.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

constexpr const char* shown_devices = "CUDA_VISIBLE_DEVICES";

std::string value_of(const char* variable) {
  const char* const value = std::getenv(variable);
  return value ? value : "";
}

void warn_of(const SetAside& aside, const std::string& output) {
  for (const auto& gpu : aside.gpus) {
    log_warning(gpu.name() + " of " + gpu.host + " is left out (" + gpu.why +
                ") once it has been mended, remove it from " + set_aside_file(output));
  }
}

}  // namespace

const std::string& shown_at_start() {
  static const std::string shown = value_of(shown_devices);
  return shown;
}

SetAside share_set_aside(Transport& host, const std::string& output) {
  const auto text = broadcast_text(host, host.rank() == 0 ? read_set_aside_text(output) : "");
  auto aside = set_aside_in(text);
  if (host.rank() == 0) warn_of(aside, output);
  if (const auto visible = aside.visible_devices(host_name(), shown_at_start()))
    setenv(shown_devices, visible->c_str(), 1);
  return aside;
}

std::vector<int> usable_gpus(const SetAside& aside) {
  std::vector<int> usable;
  const bool some_failed = !why_gpus_are_missing(aside).empty();
  const auto names = some_failed ? gpu_names() : std::vector<std::string>();
  for (int device = 0; device < gpu_count(); ++device) {
    if (!some_failed || (!names[device].empty() && !aside.gpu(host_name(), names[device])))
      usable.push_back(device);
  }
  return usable;
}

void require_gpu_not_aside(const SetAside& aside) {
  if (gpu_count() == 0 || !usable_gpus(aside).empty()) return;
  throw Error(
      ExitCode::gpu_failed, "a rank on " + host_name() + " is shown no GPU that works",
      why_gpus_are_missing(aside),
      "show each rank all GPUs of its host, so that it takes another (leave out --gpus-per-task, "
      "--gpu-bind, and what sets CUDA_VISIBLE_DEVICES for each rank), or leave this GPU out of what is "
      "shown; once it has been mended, remove it from that file");
}

std::string why_gpus_are_missing(const SetAside& aside) {
  std::string text;
  for (const auto& gpu : aside.gpus) {
    if (gpu.host == host_name()) text += (text.empty() ? "" : ", ") + gpu.name();
  }
  return text.empty() ? "" : text + " failed in this run: status/set_aside.json";
}

RankGpu describe_gpu(int index, const SetAside& aside) {
  RankGpu gpu{index, gpu_uuid(index), gpu_address(index), {}, shown_at_start(), {}};
  const auto names = gpu_names();
  for (const int usable : usable_gpus(aside)) gpu.host_gpus.push_back(names[usable]);
  return gpu;
}

}  // namespace lockstep
