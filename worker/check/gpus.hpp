// The health of the GPUs that a run would use.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"
#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"

namespace lockstep {

/// One GPU before a run.
struct CheckedGpu {
  std::string host;
  RankGpu gpu;
  int processes = 0;              ///< that already compute on it
  bool stays_initialised = true;  ///< persistence mode
};

/// Adds what is wrong with `checked` to `finding`.
void judge_gpu(const CheckedGpu& checked, CheckResult& finding);

/// Collective: checks what NVML reports of each host's GPUs; nothing if no host has any. Call it before ranks
/// use their GPUs. Throws CollectiveError.
std::optional<CheckResult> check_gpus(MpiTransport& transport, const std::vector<CheckedHost>& hosts);

}  // namespace lockstep
