#include "collectives/gpu.hpp"

#include <cuda_runtime_api.h>

#include <algorithm>
#include <atomic>
#include <cstdio>

#include "collectives/gpu_driver.hpp"
#include "collectives/gpu_fault.hpp"
#include "common/log.hpp"
#include "common/visible_gpus.hpp"

namespace lockstep {
namespace {

std::atomic<int> selected = -1;

void require(cudaError_t result, int device) {
  const auto fault = gpu_fault(result);
  if (fault != GpuFault::none && fault != GpuFault::gone) throw GpuFailure(result, "at the start");
  if (result != cudaSuccess) refuse_gpu(device, cudaGetErrorString(result));
}

cudaDeviceProp properties_of(int device) {
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), device);
  return properties;
}

std::string address_in(const cudaDeviceProp& properties) {
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x", properties.pciDomainID, properties.pciBusID,
                properties.pciDeviceID);
  return text;
}

std::string uuid_in(const cudaDeviceProp& properties) {
  std::string text = "GPU-";
  bool known = false;
  for (std::size_t i = 0; i < sizeof properties.uuid.bytes; ++i) {
    const auto byte = static_cast<unsigned char>(properties.uuid.bytes[i]);
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", byte);
    if (i == 4 || i == 6 || i == 8 || i == 10) text += "-";
    text += digits;
    known = known || byte != 0;
  }
  return known ? text : "";
}

}  // namespace

int gpu_count() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess ? count : 0;
}

std::string why_no_gpu() {
  int count = 0;
  const auto result = cudaGetDeviceCount(&count);
  if (count > 0 && result == cudaSuccess) return "";
  std::string why = result == cudaSuccess ? "CUDA finds no GPU" : cudaGetErrorString(result);
  if (const auto files = gpu_device_files(device_folder()); files.withheld > 0) {
    why += "; the GPUs of " + std::to_string(files.withheld) +
           " device files are not given to this process, " + files.why_withheld +
           "; the job must ask for GPUs (`--gres=gpu:1`), or the user be in the group of these files";
  }
  const auto visible = cuda_visible_devices();
  return visible ? why + ", with CUDA_VISIBLE_DEVICES=\"" + *visible + "\"" : why;
}

Gpu gpu(int device) {
  const auto properties = properties_of(device);
  return {properties.name, properties.major, properties.minor, properties.multiProcessorCount};
}

std::string gpu_address(int device) { return address_in(properties_of(device)); }

std::string gpu_uuid(int device) { return uuid_in(properties_of(device)); }

std::vector<std::string> gpu_names() {
  std::vector<std::string> names;
  for (int device = 0; device < gpu_count(); ++device) {
    try {
      const auto properties = properties_of(device);
      const auto uuid = uuid_in(properties);
      names.push_back(uuid.empty() ? address_in(properties) : uuid);
    } catch (const Error&) {
      names.emplace_back();
    }
  }
  return names;
}

void select_gpu(int device) {
  require(cudaSetDevice(device), device);
  selected = device;
}

void require_sound_gpus() {
  int count = 0;
  const auto result = cudaGetDeviceCount(&count);
  if (count > 0) return;
  const auto driver = query_gpu_driver();
  const int given = std::max(gpu_device_files(device_folder()).usable, driver.gpus);
  if (visible_gpus(given, cuda_visible_devices()) == 0) return;
  auto why = result == cudaSuccess ? std::string("CUDA finds none") : cudaGetErrorString(result);
  std::string remedy = "look at `nvidia-smi` and `dmesg` there";
  if (!driver.why_missing.empty()) {
    why = "NVIDIA's driver does not load: " + driver.why_missing;
    remedy = "install it (`sudo apt-get install nvidia-driver`), start a container with `--gpus all`";
  } else if (result == cudaErrorInsufficientDriver) {
    int needed = CUDART_VERSION;
    cudaRuntimeGetVersion(&needed);
    why = "NVIDIA's driver is too old: it knows CUDA up to " + cuda_version_text(driver.cuda_version) +
          ", and this program needs " + cuda_version_text(needed);
    remedy = "update it (`sudo apt-get install --only-upgrade nvidia-driver`)";
  } else if (result == cudaErrorSystemNotReady) {
    remedy = "start what joins them (`sudo systemctl start nvidia-fabricmanager`)";
  }
  throw Error(ExitCode::config, "the GPUs of " + host_name() + " cannot be used", why,
              remedy + ", or set distributed.device = \"cpu\"");
}

int selected_gpu() { return selected; }

}  // namespace lockstep
