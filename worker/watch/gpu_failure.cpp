#include "worker/watch/gpu_failure.hpp"

#include <c10/util/Exception.h>

#include <iostream>

#include "common/log.hpp"
#include "common/nvml.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

/// What NVML reports, as the end of a message; begins with "; ", or is empty.
std::string counts_in(const GpuHealth& health) {
  std::string text = health.lost ? "; it has fallen off the bus, as NVML finds" : "";
  if (health.reset_required) text += "; it does not work until it is reset, as NVML finds";
  if (health.uncorrected_errors > 0)
    text += "; uncorrectable ECC errors since the driver was loaded: " +
            std::to_string(health.uncorrected_errors);
  if (health.repair_failed) {
    text += "; nothing is left to replace bad rows of its memory with";
  } else if (health.repair_pending) {
    text += "; bad rows of its memory wait for a reset to be replaced";
  }
  return text;
}

std::string remedy_for(GpuFault fault, const std::string& gpu) {
  const auto reset = "reset it with `nvidia-smi --gpu-reset -i " + gpu + "`";
  switch (fault) {
    case GpuFault::memory:
    case GpuFault::reset:
      return reset + ", and have it replaced if that comes back";
    case GpuFault::link:
      return "reset all GPUs of the host, and have its NVLink bridges and switches looked at";
    case GpuFault::gone:
      return "reboot the host, and have power, cooling and seat of the GPU looked at";
    default:
      return reset + "; if another GPU fails in the same way, the program is wrong: report it";
  }
}

}  // namespace

std::optional<GpuFailure> gpu_failure_in(const std::exception& error) {
  if (const auto* own = dynamic_cast<const GpuFailure*>(&error)) return *own;
  if (const auto* of_torch = dynamic_cast<const c10::AcceleratorError*>(&error)) {
    const GpuFailure failure(of_torch->get_error_code(), "which LibTorch met");
    if (failure.fault() != GpuFault::none) return failure;
  }
  const auto gpu = stamped_gpu();
  if (!gpu.exists()) return std::nullopt;
  const auto failure = gpu_fault_now(gpu.address);
  if (!failure) return std::nullopt;
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  return GpuFailure(
      failure->fault(),
      failure->why() + "; " + first_line(of_torch ? of_torch->what_without_backtrace() : error.what()));
}

void say_gpu_failed(int rank, const GpuFailure& failure) {
  const auto gpu = stamped_gpu();
  const auto health = health_within(gpu.address, patience_with_nvml);
  const auto why = failure.why() + counts_in(health);
  const auto fault = health.lost ? GpuFault::gone : health.reset_required ? GpuFault::reset : failure.fault();
  // NVML reports nothing that confirms a fault of the GPU itself.
  const bool in_doubt = fault == GpuFault::kernel && counts_in(health).empty();
  const auto remedy = remedy_for(fault, gpu.name()) +
                      "; `dmesg | grep Xid` has what the driver saw; `lockstep train` goes on " +
                      (in_doubt ? "with it until that comes back" : "without it");
  stamp_gpu_failure(why, remedy, in_doubt);
  const Error error(ExitCode::gpu_failed,
                    "rank " + std::to_string(rank) + " on " + host_name() + " has lost its GPU " +
                        place_in_run() + ": " + in_words(gpu),
                    why, remedy);
  log_error(error.what());
  if (rank != 0) std::cerr << std::string("error: ") + error.what() + "\n" << std::flush;
}

}  // namespace lockstep
