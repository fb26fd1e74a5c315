// NVIDIA's management library (libnvidia-ml.so.1) for tests on machines without a GPU. What it reports is in
// the file that the environment variable GHOST_NVML names, as lines "KEY GPU VALUE". It is read at every
// call, so that a test can change it during a run by renaming another file to its name. Without the file all
// GPUs are healthy. Keys: temperature (degrees Celsius), power (mW), clock (MHz), memory_used, memory,
// reasons (the bits of nvmlDeviceGetCurrentClocksEventReasons), corrected, uncorrected, lifetime_uncorrected,
// repair_pending, repair_failed, persistence, processes, lost and reset_required (then not even a handle is
// returned), xid (an event for every watcher), address, uuid; and "gpus" with any GPU: the number of GPUs. By
// default the addresses and UUIDs are those of the process's CUDA.
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <string>
#include <thread>

namespace {

constexpr int success = 0, invalid_argument = 2, not_supported = 3, not_found = 6, insufficient_size = 7,
              timed_out = 10, is_lost = 15, reset_required = 16;
constexpr int default_gpus = 8;
constexpr auto between_looks = std::chrono::milliseconds(20);

std::string value_of(const std::string& key, int gpu, const std::string& otherwise) {
  const char* const path = std::getenv("GHOST_NVML");
  std::ifstream file(path ? path : "");
  std::string found = otherwise, name, value;
  for (int of = 0; file >> name >> of >> value;) {
    if (name == key && (of == gpu || key == "gpus")) found = value;
  }
  return found;
}

unsigned long long number_of(const std::string& key, int gpu, const char* otherwise = "0") {
  return std::strtoull(value_of(key, gpu, otherwise).c_str(), nullptr, 0);
}

/// "0000:18:00" and "00000000:18:00.0" name the same place.
std::array<unsigned int, 3> bus_and_device(const char* address) {
  std::array<unsigned int, 3> numbers{};
  std::sscanf(address, "%x:%x:%x", &numbers[0], &numbers[1], &numbers[2]);
  return numbers;
}

int gpus() { return static_cast<int>(number_of("gpus", 0, std::to_string(default_gpus).c_str())); }

cudaDeviceProp cuda_properties(int gpu) {
  cudaDeviceProp properties{};
  properties.pciBusID = gpu;
  const auto ask =
      reinterpret_cast<decltype(&cudaGetDeviceProperties)>(dlsym(RTLD_DEFAULT, "cudaGetDeviceProperties"));
  if (ask) ask(&properties, gpu);
  return properties;
}

std::string address_of(int gpu) {
  const auto properties = cuda_properties(gpu);
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x", properties.pciDomainID, properties.pciBusID,
                properties.pciDeviceID);
  return value_of("address", gpu, text);
}

std::string uuid_of(int gpu) {
  const auto properties = cuda_properties(gpu);
  std::string text = "GPU-";
  for (std::size_t i = 0; i < sizeof properties.uuid.bytes; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned char>(properties.uuid.bytes[i]));
    if (i == 4 || i == 6 || i == 8 || i == 10) text += "-";
    text += digits;
  }
  return value_of("uuid", gpu, text);
}

// A handle is the index of the GPU plus 1.
void* handle_of(int gpu) { return reinterpret_cast<void*>(static_cast<std::size_t>(gpu) + 1); }
int gpu_of(void* handle) { return static_cast<int>(reinterpret_cast<std::size_t>(handle)) - 1; }

int copy(const std::string& text, char* to, unsigned int size) {
  if (text.size() >= size) return insufficient_size;
  std::memcpy(to, text.c_str(), text.size() + 1);
  return success;
}

/// What the driver returns for a GPU that does not answer, even when asked for its handle.
int state_of(int gpu) {
  if (number_of("lost", gpu) != 0) return is_lost;
  return number_of("reset_required", gpu) != 0 ? reset_required : success;
}

int tell(void* handle, const char* key, const char* otherwise, unsigned int* value) {
  const int gpu = gpu_of(handle);
  if (const int state = state_of(gpu); state != success) return state;
  *value = static_cast<unsigned int>(number_of(key, gpu, otherwise));
  return success;
}

struct EventSet {
  int gpu = -1;
  std::set<unsigned long long> told;
};

}  // namespace

extern "C" {

struct PciInfo {
  char legacy_address[16];
  unsigned int domain, bus, device, device_id, subsystem_id;
  char address[32];
};
struct MemoryInfo {
  unsigned long long total, free, used;
};
struct ProcessInfo {
  unsigned int pid;
  unsigned long long used_memory;
  unsigned int gpu_instance, compute_instance;
};
struct EventData {
  void* device;
  unsigned long long type, data;
  unsigned int gpu_instance, compute_instance;
};

int nvmlInit_v2() { return success; }

int nvmlShutdown() { return success; }

int nvmlDeviceGetCount_v2(unsigned int* count) {
  *count = static_cast<unsigned int>(gpus());
  return success;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, void** handle) {
  if (static_cast<int>(index) >= gpus()) return invalid_argument;
  *handle = handle_of(static_cast<int>(index));
  return state_of(static_cast<int>(index));
}

int nvmlDeviceGetHandleByPciBusId_v2(const char* address, void** handle) {
  for (int gpu = 0; gpu < gpus(); ++gpu) {
    if (bus_and_device(address_of(gpu).c_str()) != bus_and_device(address)) continue;
    *handle = handle_of(gpu);
    return state_of(gpu);
  }
  return not_found;
}

int nvmlSystemGetDriverVersion(char* text, unsigned int size) { return copy("580.00.00", text, size); }

int nvmlDeviceGetName(void*, char* text, unsigned int size) { return copy("ghost of a GPU", text, size); }

int nvmlDeviceGetUUID(void* handle, char* text, unsigned int size) {
  return copy(uuid_of(gpu_of(handle)), text, size);
}

int nvmlDeviceGetPciInfo_v3(void* handle, PciInfo* info) {
  *info = {};
  std::sscanf(address_of(gpu_of(handle)).c_str(), "%x:%x:%x", &info->domain, &info->bus, &info->device);
  return success;
}

int nvmlDeviceGetTemperature(void* handle, int, unsigned int* celsius) {
  return tell(handle, "temperature", "45", celsius);
}

int nvmlDeviceGetPowerUsage(void* handle, unsigned int* milliwatts) {
  return tell(handle, "power", "250000", milliwatts);
}

int nvmlDeviceGetClockInfo(void* handle, int, unsigned int* megahertz) {
  return tell(handle, "clock", "1980", megahertz);
}

int nvmlDeviceGetMemoryInfo(void* handle, MemoryInfo* memory) {
  memory->total = number_of("memory", gpu_of(handle), "85899345920");
  memory->used = number_of("memory_used", gpu_of(handle), "1073741824");
  memory->free = memory->total - memory->used;
  return success;
}

int nvmlDeviceGetCurrentClocksEventReasons(void* handle, unsigned long long* bits) {
  *bits = number_of("reasons", gpu_of(handle));
  return success;
}

int nvmlDeviceGetTotalEccErrors(void* handle, int kind, int period, unsigned long long* errors) {
  const auto key = kind == 0 ? "corrected" : period == 0 ? "uncorrected" : "lifetime_uncorrected";
  *errors = number_of(key, gpu_of(handle));
  return success;
}

int nvmlDeviceGetRemappedRows(void* handle, unsigned int* corrected, unsigned int* uncorrected,
                              unsigned int* pending, unsigned int* failed) {
  *corrected = *uncorrected = 0;
  *pending = static_cast<unsigned int>(number_of("repair_pending", gpu_of(handle)));
  *failed = static_cast<unsigned int>(number_of("repair_failed", gpu_of(handle)));
  return success;
}

int nvmlDeviceGetPersistenceMode(void* handle, int* mode) {
  *mode = static_cast<int>(number_of("persistence", gpu_of(handle), "1"));
  return success;
}

int nvmlDeviceGetComputeRunningProcesses_v3(void* handle, unsigned int* count, ProcessInfo* processes) {
  const auto running = static_cast<unsigned int>(number_of("processes", gpu_of(handle)));
  const bool fits = running <= *count;
  for (unsigned int i = 0; fits && i < running; ++i) processes[i] = {1000 + i, 0, 0, 0};
  *count = running;
  return fits ? success : insufficient_size;
}

int nvmlEventSetCreate(void** set) {
  *set = new EventSet;
  return success;
}

int nvmlEventSetFree(void* set) {
  delete static_cast<EventSet*>(set);
  return success;
}

int nvmlDeviceRegisterEvents(void* handle, unsigned long long, void* set) {
  static_cast<EventSet*>(set)->gpu = gpu_of(handle);
  return success;
}

int nvmlEventSetWait_v2(void* events, EventData* data, unsigned int milliseconds) {
  auto* const set = static_cast<EventSet*>(events);
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(milliseconds);
  for (;;) {
    const auto xid = number_of("xid", set->gpu);
    if (xid != 0 && set->told.insert(xid).second) {
      *data = {handle_of(set->gpu), 8, xid, 0, 0};
      return success;
    }
    if (std::chrono::steady_clock::now() + between_looks > end) return timed_out;
    std::this_thread::sleep_for(between_looks);
  }
}

// LibTorch looks for these functions too: it calls them when an allocation fails, and for links between GPUs.

int nvmlSystemGetCudaDriverVersion_v2(int* version) {
  *version = 13000;
  return success;
}

int nvmlDeviceGetComputeRunningProcesses(void*, unsigned int* count, void*) {
  *count = 0;
  return success;
}

int nvmlDeviceGetNvLinkRemoteDeviceType(void*, unsigned int, int*) { return not_supported; }
int nvmlDeviceGetNvLinkRemotePciInfo_v2(void*, unsigned int, PciInfo*) { return not_supported; }
int nvmlDeviceGetGpuFabricInfoV(void*, void*) { return not_supported; }

}  // extern "C"
