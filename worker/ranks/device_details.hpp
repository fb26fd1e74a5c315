// What the bits of a GPU's results depend on besides its model: driver, libraries, variables of the
// environment.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace lockstep {

/// Name and value: {"cuDNN", "9.19.0"}.
using DeviceDetails = std::map<std::string, std::string>;

/// Those variables of `environment`, each NAME=VALUE, that may change what LibTorch, cuBLAS or cuDNN compute,
/// in alphabetical order: NVIDIA_TF32_OVERRIDE, and all that begin with CUDA_FORCE_ (other code is compiled),
/// CUDNN_, CUBLAS, TORCH_ or PYTORCH_, but for those that are known to name versions, folders, logs and what
/// LibTorch's own distributed training does, which is not used.
std::vector<std::string> arithmetic_variables(const std::vector<std::string>& environment);

/// Of this process, on GPUs: "driver", "CUDA", "cuBLAS", "cuDNN" and "NCCL" with their versions, "none" for
/// one that is not loaded, and "environment", the variables with blanks between. For after libtorch_cuda is
/// loaded.
DeviceDetails gpu_details();

}  // namespace lockstep
