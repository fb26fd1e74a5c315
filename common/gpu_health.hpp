// The GPU of a rank: its identity and its health.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// What NVML reports about a GPU (nvml.hpp). Values that the GPU or the driver does not report are 0 or
/// empty.
struct GpuHealth {
  bool told = false;            ///< NVML has answered; otherwise nothing below is known
  bool lost = false;            ///< NVML no longer finds the GPU: it has fallen off the bus
  bool reset_required = false;  ///< it does not work until it is reset
  double temperature_celsius = 0;
  double power_watts = 0;
  double sm_clock_mhz = 0;
  std::int64_t memory_used_bytes = 0, memory_bytes = 0;
  /// Why the clocks are reduced at the moment: "thermal", "power brake", "hardware slowdown", "power cap".
  std::vector<std::string> throttling;
  std::int64_t corrected_errors = 0, uncorrected_errors = 0;  ///< of ECC since the driver was loaded
  std::int64_t lifetime_uncorrected_errors = 0;
  bool repair_pending = false;     ///< memory rows or pages are to be replaced at the next reset
  bool repair_failed = false;      ///< and no spare ones are left
  std::vector<std::int64_t> xids;  ///< reported by the driver since the watch began, each number once
  double hottest_celsius = 0, throttled_seconds = 0;  ///< since the watch began
  std::string driver;                                 ///< its version
};

/// The abnormal reasons why the GPU is slowed down: "thermal", "power brake, hardware slowdown"; empty if
/// there are none. A power cap alone is normal under load.
std::string slowed_by(const GpuHealth& health);

/// The GPU of a rank.
struct RankGpu {
  int index = -1;                      ///< CUDA's device ordinal; -1 if the rank has none
  std::string uuid;                    ///< "GPU-8f6c2d1e-..."; empty if CUDA does not report it
  std::string address;                 ///< on the PCI bus of its host: "0000:18:00"
  std::vector<std::string> host_gpus;  ///< name() of all GPUs visible to the rank, in CUDA's order
  std::string shown;                   ///< $CUDA_VISIBLE_DEVICES of the rank; empty if it is not set
  GpuHealth health;

  bool exists() const { return index >= 0; }
  /// What identifies it across starts: its UUID, or its address if that is unknown.
  const std::string& name() const { return uuid.empty() ? address : uuid; }
};

/// "GPU 1, GPU-8f6c2d1e-..., PCI 0000:18:00"
std::string in_words(const RankGpu& gpu);

}  // namespace lockstep
