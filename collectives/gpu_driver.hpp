// What is known of GPUs without CUDA: by NVIDIA's driver, where there is one. In every build.
#pragma once

#include <string>

namespace lockstep {

/// The driver's library, found at run time: a machine without GPUs has none.
struct GpuDriver {
  std::string why_missing;  ///< why it does not load; else empty
  int cuda_version = 0;     ///< the newest CUDA that it knows, 13000 for 13.0
  int gpus = 0;
};
GpuDriver query_gpu_driver();

/// "13.0" for CUDA's 13000.
std::string cuda_version_text(int version);

/// Throws Error (config): GPU number `device` cannot be used.
[[noreturn]] void refuse_gpu(int device, const std::string& why);

}  // namespace lockstep
