// What the bits of a GPU's results depend on besides its model: driver, libraries, environment variables.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace lockstep {

/// Name and value: {"cuDNN", "9.19.0"}.
using DeviceDetails = std::map<std::string, std::string>;

/// The variables of `environment`, each NAME=VALUE, that may change what LibTorch, cuBLAS or cuDNN compute,
/// in alphabetical order: NVIDIA_TF32_OVERRIDE and all that begin with CUDA_FORCE_ (it makes CUDA compile
/// other code), CUDNN_, CUBLAS, TORCH_ or PYTORCH_. Those known to be harmless are left out: versions,
/// folders, logs, and settings of LibTorch's own distributed training, which is not used.
std::vector<std::string> arithmetic_variables(const std::vector<std::string>& environment);

/// The details of this process on GPUs: "driver", "CUDA", "cuBLAS", "cuDNN" and "NCCL" with their versions
/// ("none" for a library that is not loaded), and "environment": arithmetic_variables(), separated by blanks.
/// Call after libtorch_cuda is loaded.
DeviceDetails gpu_details();

}  // namespace lockstep
