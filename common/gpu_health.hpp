// What is known of the GPU of a rank: which it is, and how it fares.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace lockstep {

/// What NVML tells of a GPU (nvml.hpp). 0 and empty stand for what this GPU or this driver does not tell.
struct GpuHealth {
  bool told = false;            ///< NVML has answered; else all of the below is unknown
  bool lost = false;            ///< NVML finds the GPU no longer: it has fallen off the bus
  bool reset_required = false;  ///< it does not work until it is reset
  double temperature_celsius = 0;
  double power_watts = 0;
  double sm_clock_mhz = 0;
  std::int64_t memory_used_bytes = 0, memory_bytes = 0;
  /// What keeps the clocks down at the moment: "thermal", "power brake", "hardware slowdown", "power cap".
  std::vector<std::string> throttling;
  std::int64_t corrected_errors = 0, uncorrected_errors = 0;  ///< of ECC since the driver was loaded
  std::int64_t lifetime_uncorrected_errors = 0;
  bool repair_pending = false;     ///< rows or pages of its memory wait for a reset to be replaced
  bool repair_failed = false;      ///< and there are none left to replace them with
  std::vector<std::int64_t> xids;  ///< the driver's error reports since somebody watches, each number once
  double hottest_celsius = 0, throttled_seconds = 0;  ///< since somebody watches
  std::string driver;                                 ///< its version
};

/// Something slows the GPU down that is not to be: "thermal", "power brake, hardware slowdown"; empty when
/// nothing does. A power cap alone is how most GPUs run under load.
std::string slowed_by(const GpuHealth& health);

/// The GPU of a rank.
struct RankGpu {
  int index = -1;                      ///< as CUDA counts; -1: the rank has none
  std::string uuid;                    ///< "GPU-8f6c2d1e-..."; empty where CUDA does not tell
  std::string address;                 ///< on the PCI bus of its host: "0000:18:00"
  std::vector<std::string> host_gpus;  ///< the names of all that the rank could have, in CUDA's order
  std::string shown;                   ///< $CUDA_VISIBLE_DEVICES as it found it; empty where it is not set
  GpuHealth health;

  bool exists() const { return index >= 0; }
  /// By which it is known from start to start: its UUID, failing that its address.
  const std::string& name() const { return uuid.empty() ? address : uuid; }
};

/// "GPU 1, GPU-8f6c2d1e-..., PCI 0000:18:00"
std::string in_words(const RankGpu& gpu);

}  // namespace lockstep
