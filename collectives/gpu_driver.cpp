#include "collectives/gpu_driver.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <fstream>

#include "collectives/gpu.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/visible_gpus.hpp"

namespace lockstep {

std::string cuda_version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

GpuDriver query_gpu_driver() {
  GpuDriver driver;
  void* const library = dlopen("libcuda.so.1", RTLD_NOW);  // stays: CUDA itself may hold it
  if (!library) return {dlerror()};
  const auto call = [&](const char* name, auto... arguments) {
    auto* const function = reinterpret_cast<int (*)(decltype(arguments)...)>(dlsym(library, name));
    return function && function(arguments...) == 0;
  };
  call("cuDriverGetVersion", &driver.cuda_version);
  if (!call("cuInit", 0u) || !call("cuDeviceGetCount", &driver.gpus)) driver.gpus = 0;
  return driver;
}

void refuse_gpu(int device, const std::string& why) {
  throw Error(ExitCode::config, "GPU " + std::to_string(device) + " of " + host_name() + " cannot be used",
              why,
              "check nvidia-smi and CUDA_VISIBLE_DEVICES, start at most one rank per GPU, or set "
              "distributed.device = "
              "\"cpu\"");
}

std::string driver_version() {
  std::ifstream file("/sys/module/nvidia/version");
  std::string version;
  if (file >> version) return version;
  return "for CUDA " + cuda_version_text(query_gpu_driver().cuda_version);
}

int gpus_present() {
  if (const int count = gpu_count(); count > 0) return count;
  const auto files = gpu_device_files(device_folder());
  return std::max(files.usable + files.withheld, query_gpu_driver().gpus);
}

}  // namespace lockstep
