// NVIDIA's management library (NVML, libnvidia-ml.so.1), which comes with the driver and is loaded at run
// time. A machine without it is not an error: the health of GPUs is then unknown.
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

/// How long callers that must not block wait for an answer.
constexpr auto patience_with_nvml = std::chrono::milliseconds(500);

/// One GPU as NVML sees it. Of a GPU that is lost, only health() tells anything. The Nvml that it comes from
/// must outlive it. Every function may take seconds if the driver is in trouble.
class NvmlGpu {
 public:
  /// `device` is null if NVML gives no handle; `trouble`, an nvmlReturn_t, says why.
  NvmlGpu(const NvmlFunctions& functions, void* device, int trouble = 0);
  ~NvmlGpu();
  NvmlGpu(NvmlGpu&& other) noexcept;
  NvmlGpu& operator=(NvmlGpu&&) = delete;

  std::string name() const;
  std::string uuid() const;
  std::string address() const;     ///< "0000:18:00"
  bool stays_initialised() const;  ///< persistence mode; true if NVML does not report it
  /// The processes that compute on it, by their PIDs in this process's namespace if they have one.
  std::vector<std::int64_t> processes() const;
  /// Its health now, without what only a watch can collect (xids, hottest_celsius, throttled_seconds).
  GpuHealth health() const;
  /// The Xids that the driver has reported since the first call; waits for one for `patience` at most. If
  /// the driver does not report events, waits and returns nothing.
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

  /// Why the library cannot be used; empty if it can.
  const std::string& why_not() const { return why_not_; }
  /// All GPUs of the host, including lost ones, whatever CUDA_VISIBLE_DEVICES says.
  std::vector<NvmlGpu> gpus() const;
  /// The GPU at the PCI address "0000:18:00", even if it is lost.
  std::optional<NvmlGpu> gpu_at(const std::string& address) const;

 private:
  std::unique_ptr<NvmlFunctions> functions_;
  std::string why_not_;
};

/// The health of the GPU at `address`, asked in a thread of its own; `told` is false if it has not answered
/// within `patience`.
GpuHealth health_within(const std::string& address, std::chrono::milliseconds patience);

}  // namespace lockstep
