#include "worker/ranks/device_details.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "collectives/gpu.hpp"

namespace lockstep {
namespace {

/// The function `name` of a library that this process has loaded; null if there is none.
template <class Function>
Function* loaded(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
}

constexpr const char* not_loaded = "none";

/// "9.19.0" for 91900, where `major` is 10000.
std::string in_words(std::int64_t version, std::int64_t major, std::int64_t minor) {
  return std::to_string(version / major) + "." + std::to_string(version % major / minor) + "." +
         std::to_string(version % minor);
}

/// The version of a library whose function `name` returns it.
std::string returned_version(const char* name, std::int64_t major, std::int64_t minor) {
  auto* const function = loaded<std::size_t()>(name);
  return function ? in_words(static_cast<std::int64_t>(function()), major, minor) : not_loaded;
}

/// The version of a library whose function `name` stores it and returns 0.
std::string stored_version(const char* name, std::int64_t major, std::int64_t minor) {
  auto* const function = loaded<int(int*)>(name);
  int version = 0;
  return function && function(&version) == 0 ? in_words(version, major, minor) : not_loaded;
}

}  // namespace

std::vector<std::string> arithmetic_variables(const std::vector<std::string>& environment) {
  // Containers set many NVIDIA_ variables that only name products and devices. The one of them that matters
  // is listed in full.
  constexpr std::array<std::string_view, 6> kinds = {
      "NVIDIA_TF32_OVERRIDE=", "CUDA_FORCE_", "CUDNN_", "CUBLAS", "TORCH_", "PYTORCH_"};
  constexpr std::array<std::string_view, 18> harmless = {"CUDNN_LOG",
                                                         "CUDNN_VERSION=",
                                                         "CUDNN_FRONTEND_VERSION=",
                                                         "CUBLAS_LOG",
                                                         "CUBLAS_VERSION=",
                                                         "CUBLASLT_LOG",
                                                         "TORCH_HOME=",
                                                         "TORCH_SHOW_",
                                                         "TORCH_NCCL_",
                                                         "TORCH_DISTRIBUTED_",
                                                         "TORCH_CPP_",
                                                         "TORCH_LOGS",
                                                         "TORCH_TRACE=",
                                                         "TORCH_FR_",
                                                         "TORCH_CUDA_ARCH_LIST=",
                                                         "TORCH_EXTENSIONS_DIR=",
                                                         "PYTORCH_BUILD_",
                                                         "PYTORCH_VERSION="};
  std::vector<std::string> found;
  for (const auto& variable : environment) {
    const auto begins = [&](std::string_view prefix) { return variable.starts_with(prefix); };
    if (std::ranges::any_of(kinds, begins) && std::ranges::none_of(harmless, begins))
      found.push_back(variable);
  }
  std::ranges::sort(found);
  return found;
}

DeviceDetails gpu_details() {
  std::vector<std::string> environment;
  for (char** variable = environ; *variable; ++variable) environment.emplace_back(*variable);
  std::string words;
  for (const auto& variable : arithmetic_variables(environment))
    words += (words.empty() ? "" : " ") + variable;
  return {{"driver", driver_version()},
          {"CUDA", stored_version("cudaRuntimeGetVersion", 1000, 10)},
          {"cuBLAS", returned_version("cublasLtGetVersion", 10000, 100)},
          {"cuDNN", returned_version("cudnnGetVersion", 10000, 100)},
          {"NCCL", stored_version("ncclGetVersion", 10000, 100)},
          {"environment", words}};
}

}  // namespace lockstep
