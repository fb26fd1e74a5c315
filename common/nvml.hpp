// NVIDIA's management library (NVML, libnvidia-ml.so.1), which comes with the driver and is loaded at run
// time: a machine without it is no error, and then nothing is known of the health of GPUs.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"

namespace lockstep {

struct NvmlFunctions;

/// How long whoever has other things to do waits for an answer.
constexpr auto patience_with_nvml = std::chrono::milliseconds(500);

/// One GPU as NVML sees it, also one that is lost: then only health() tells anything. The Nvml that it comes
/// from must outlive it. Every function may take seconds where the driver is in trouble.
class NvmlGpu {
 public:
  /// `device` is null where NVML gives no handle because of `trouble`, an nvmlReturn_t.
  NvmlGpu(const NvmlFunctions& functions, void* device, int trouble = 0);
  ~NvmlGpu();
  NvmlGpu(NvmlGpu&& other) noexcept;
  NvmlGpu& operator=(NvmlGpu&&) = delete;

  std::string name() const;
  std::string uuid() const;
  std::string address() const;     ///< "0000:18:00"
  bool stays_initialised() const;  ///< persistence mode; true where NVML does not tell
  /// The processes that compute on it, by the ids of this process's namespace where they have one.
  std::vector<std::int64_t> processes() const;
  /// How it is now; what needs to be watched (xids, hottest, throttled_seconds) is empty.
  GpuHealth health() const;
  /// Xids that the driver reports from the first call on, after `patience` at most. Where it cannot tell, it
  /// waits and returns nothing.
  std::vector<std::int64_t> wait_for_xids(std::chrono::milliseconds patience);

 private:
  const NvmlFunctions& functions_;
  void* device_;
  int trouble_;
  void* events_ = nullptr;
  bool watched_ = false;
};

class Nvml {
 public:
  /// Loads and initialises the library; never throws.
  Nvml();
  ~Nvml();
  Nvml(const Nvml&) = delete;
  Nvml& operator=(const Nvml&) = delete;

  /// Why nothing is known; empty when the library is there.
  const std::string& why_not() const { return why_not_; }
  /// All of the host, lost ones too, whatever CUDA_VISIBLE_DEVICES says.
  std::vector<NvmlGpu> gpus() const;
  /// The one at `address` on the PCI bus, "0000:18:00", also where it is lost.
  std::optional<NvmlGpu> gpu_at(const std::string& address) const;

 private:
  std::unique_ptr<NvmlFunctions> functions_;
  std::string why_not_;
};

/// The health of the GPU at `address`, from a thread of its own that nobody waits for longer than
/// `patience`; `told` is false where nothing came.
GpuHealth health_within(const std::string& address, std::chrono::milliseconds patience);

}  // namespace lockstep
