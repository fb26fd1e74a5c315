#include "common/nvml.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <future>
#include <thread>
#include <utility>

namespace lockstep {
namespace {

// From nvml.h, which not every CUDA toolkit includes. The numbers are part of the binary interface.
using Result = int;
constexpr Result success = 0, insufficient_size = 7, gpu_is_lost = 15, reset_required = 16;
constexpr int core_temperature = 0, sm_clock = 1, uncorrected = 1, corrected = 0;
constexpr int since_driver_load = 0, of_lifetime = 1;
constexpr unsigned long long xid_critical_error = 8;

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

/// A function of the library; null if this version does not have it.
template <class... Arguments>
class Function {
 public:
  void find(void* library, const char* name) {
    if (!pointer_) pointer_ = reinterpret_cast<Result (*)(Arguments...)>(dlsym(library, name));
  }
  explicit operator bool() const { return pointer_ != nullptr; }
  Result operator()(Arguments... arguments) const { return pointer_ ? pointer_(arguments...) : not_there; }
  bool works(Arguments... arguments) const { return (*this)(arguments...) == success; }

 private:
  static constexpr Result not_there = 13;
  Result (*pointer_)(Arguments...) = nullptr;
};

}  // namespace

struct NvmlFunctions {
  Function<> init, shutdown;
  Function<unsigned int*> count;
  Function<unsigned int, void**> by_index;
  Function<const char*, void**> by_address;
  Function<char*, unsigned int> driver_version;
  Function<void*, char*, unsigned int> name, uuid;
  Function<void*, PciInfo*> pci;
  Function<void*, int, unsigned int*> temperature, clock;
  Function<void*, unsigned int*> power;
  Function<void*, MemoryInfo*> memory;
  Function<void*, unsigned long long*> clock_reasons;
  Function<void*, int, int, unsigned long long*> ecc_errors;
  Function<void*, unsigned int*, unsigned int*, unsigned int*, unsigned int*> remapped_rows;
  Function<void*, int*> pages_pending, persistence;
  Function<void*, unsigned int*, ProcessInfo*> processes;
  Function<void**> event_set_create;
  Function<void*> event_set_free;
  Function<void*, unsigned long long, void*> register_events;
  Function<void*, EventData*, unsigned int> event_set_wait;

  explicit NvmlFunctions(void* library) {
    init.find(library, "nvmlInit_v2");
    shutdown.find(library, "nvmlShutdown");
    count.find(library, "nvmlDeviceGetCount_v2");
    by_index.find(library, "nvmlDeviceGetHandleByIndex_v2");
    by_address.find(library, "nvmlDeviceGetHandleByPciBusId_v2");
    driver_version.find(library, "nvmlSystemGetDriverVersion");
    name.find(library, "nvmlDeviceGetName");
    uuid.find(library, "nvmlDeviceGetUUID");
    pci.find(library, "nvmlDeviceGetPciInfo_v3");
    temperature.find(library, "nvmlDeviceGetTemperature");
    clock.find(library, "nvmlDeviceGetClockInfo");
    power.find(library, "nvmlDeviceGetPowerUsage");
    memory.find(library, "nvmlDeviceGetMemoryInfo");
    clock_reasons.find(library, "nvmlDeviceGetCurrentClocksEventReasons");
    clock_reasons.find(library, "nvmlDeviceGetCurrentClocksThrottleReasons");  // before driver 535
    ecc_errors.find(library, "nvmlDeviceGetTotalEccErrors");
    remapped_rows.find(library, "nvmlDeviceGetRemappedRows");
    pages_pending.find(library, "nvmlDeviceGetRetiredPagesPendingStatus");
    persistence.find(library, "nvmlDeviceGetPersistenceMode");
    processes.find(library, "nvmlDeviceGetComputeRunningProcesses_v3");
    event_set_create.find(library, "nvmlEventSetCreate");
    event_set_free.find(library, "nvmlEventSetFree");
    register_events.find(library, "nvmlDeviceRegisterEvents");
    event_set_wait.find(library, "nvmlEventSetWait_v2");
  }
};

namespace {

std::string text_of(const Function<void*, char*, unsigned int>& function, void* device) {
  std::array<char, 128> text{};
  return device && function.works(device, text.data(), text.size() - 1) ? text.data() : "";
}

/// Errors of a GPU that does not answer at all: nvmlDeviceGetHandle already returns them.
bool is_trouble(Result result) { return result == gpu_is_lost || result == reset_required; }

GpuHealth in_trouble(Result trouble) {
  GpuHealth health;
  health.told = true;
  health.lost = trouble == gpu_is_lost;
  health.reset_required = trouble == reset_required;
  return health;
}

std::vector<std::string> reasons_in(unsigned long long bits) {
  constexpr unsigned long long power_cap = 0x4, hardware = 0x8, thermal = 0x20 | 0x40, power_brake = 0x80;
  std::vector<std::string> reasons;
  if (bits & thermal) reasons.emplace_back("thermal");
  if (bits & power_brake) reasons.emplace_back("power brake");
  // NVML reports it together with either of the above, too.
  if ((bits & hardware) && reasons.empty()) reasons.emplace_back("hardware slowdown");
  if (bits & power_cap) reasons.emplace_back("power cap");
  return reasons;
}

void add_memory_errors(const NvmlFunctions& nvml, void* device, GpuHealth& health) {
  const auto errors = [&](int kind, int period) {
    unsigned long long number = 0;
    return nvml.ecc_errors.works(device, kind, period, &number) ? static_cast<std::int64_t>(number) : 0;
  };
  health.corrected_errors = errors(corrected, since_driver_load);
  health.uncorrected_errors = errors(uncorrected, since_driver_load);
  health.lifetime_uncorrected_errors = errors(uncorrected, of_lifetime);
  unsigned int for_corrected = 0, for_uncorrected = 0, pending = 0, failed = 0;
  if (nvml.remapped_rows.works(device, &for_corrected, &for_uncorrected, &pending, &failed)) {
    health.repair_pending = pending != 0;
    health.repair_failed = failed != 0;
  }
  if (int pages = 0; nvml.pages_pending.works(device, &pages) && pages != 0) health.repair_pending = true;
}

}  // namespace

NvmlGpu::NvmlGpu(const NvmlFunctions& functions, void* device, int trouble)
    : functions_(functions), device_(device), trouble_(trouble) {}

NvmlGpu::NvmlGpu(NvmlGpu&& other) noexcept
    : functions_(other.functions_),
      device_(other.device_),
      trouble_(other.trouble_),
      events_(std::exchange(other.events_, nullptr)),
      watched_(other.watched_) {}

NvmlGpu::~NvmlGpu() {
  if (events_) functions_.event_set_free(events_);
}

std::string NvmlGpu::name() const { return text_of(functions_.name, device_); }

std::string NvmlGpu::uuid() const { return text_of(functions_.uuid, device_); }

std::string NvmlGpu::address() const {
  PciInfo info{};
  if (!device_ || !functions_.pci.works(device_, &info)) return "";
  char text[32];
  std::snprintf(text, sizeof text, "%04x:%02x:%02x", info.domain, info.bus, info.device);
  return text;
}

bool NvmlGpu::stays_initialised() const {
  int mode = 0;
  return !device_ || !functions_.persistence.works(device_, &mode) || mode != 0;
}

std::vector<std::int64_t> NvmlGpu::processes() const {
  if (!device_) return {};
  std::vector<ProcessInfo> found(64);
  for (;;) {
    auto count = static_cast<unsigned int>(found.size());
    const auto result = functions_.processes(device_, &count, found.data());
    if (result == insufficient_size && found.size() < 1 << 16) {
      found.resize(2 * found.size());
      continue;
    }
    if (result != success) return {};
    std::vector<std::int64_t> ids;
    for (unsigned int i = 0; i < count; ++i) ids.push_back(found[i].pid);
    return ids;
  }
}

GpuHealth NvmlGpu::health() const {
  if (!device_) return in_trouble(trouble_);
  GpuHealth health;
  unsigned int number = 0;
  const auto temperature = functions_.temperature(device_, core_temperature, &number);
  if (is_trouble(temperature)) return in_trouble(temperature);
  health.told = true;
  if (temperature == success) health.temperature_celsius = number;
  if (functions_.power.works(device_, &number)) health.power_watts = 1e-3 * number;
  if (functions_.clock.works(device_, sm_clock, &number)) health.sm_clock_mhz = number;
  if (MemoryInfo memory{}; functions_.memory.works(device_, &memory)) {
    health.memory_used_bytes = static_cast<std::int64_t>(memory.used);
    health.memory_bytes = static_cast<std::int64_t>(memory.total);
  }
  if (unsigned long long bits = 0; functions_.clock_reasons.works(device_, &bits))
    health.throttling = reasons_in(bits);
  add_memory_errors(functions_, device_, health);
  std::array<char, 128> version{};
  if (functions_.driver_version.works(version.data(), version.size() - 1)) health.driver = version.data();
  return health;
}

std::vector<std::int64_t> NvmlGpu::wait_for_xids(std::chrono::milliseconds patience) {
  const auto end = std::chrono::steady_clock::now() + patience;
  if (!std::exchange(watched_, true) && device_ && functions_.event_set_create.works(&events_) &&
      !functions_.register_events.works(device_, xid_critical_error, events_)) {
    functions_.event_set_free(std::exchange(events_, nullptr));
  }
  std::vector<std::int64_t> xids;
  EventData event{};
  auto wait = static_cast<unsigned int>(patience.count());
  while (events_ && functions_.event_set_wait.works(events_, &event, wait)) {
    if (event.type == xid_critical_error) xids.push_back(static_cast<std::int64_t>(event.data));
    wait = 0;  // fetch what was reported with it
  }
  if (!events_) std::this_thread::sleep_until(end);
  return xids;
}

Nvml::Nvml() {
  void* library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    why_not_ = "libnvidia-ml.so.1 of the driver is not there";
    return;
  }
  functions_ = std::make_unique<NvmlFunctions>(library);
  if (const auto result = functions_->init(); result != success) {
    why_not_ = "NVML does not start (error " + std::to_string(result) + ")";
    functions_.reset();
  }
}

Nvml::~Nvml() {
  if (functions_) functions_->shutdown();
}

std::vector<NvmlGpu> Nvml::gpus() const {
  std::vector<NvmlGpu> found;
  unsigned int count = 0;
  if (!functions_ || !functions_->count.works(&count)) return found;
  for (unsigned int i = 0; i < count; ++i) {
    void* device = nullptr;
    const auto result = functions_->by_index(i, &device);
    if (is_trouble(result)) device = nullptr;
    if (result == success || is_trouble(result)) found.emplace_back(*functions_, device, result);
  }
  return found;
}

std::optional<NvmlGpu> Nvml::gpu_at(const std::string& address) const {
  if (!functions_) return std::nullopt;
  void* device = nullptr;
  const auto result = functions_->by_address((address + ".0").c_str(), &device);
  if (is_trouble(result)) return std::optional<NvmlGpu>(std::in_place, *functions_, nullptr, result);
  if (result != success) return std::nullopt;
  return std::optional<NvmlGpu>(std::in_place, *functions_, device);
}

GpuHealth health_within(const std::string& address, std::chrono::milliseconds patience) {
  std::packaged_task<GpuHealth()> task([address] {
    const Nvml nvml;
    const auto gpu = nvml.gpu_at(address);
    return gpu ? gpu->health() : GpuHealth{};
  });
  auto answer = task.get_future();
  std::thread(std::move(task)).detach();
  return answer.wait_for(patience) == std::future_status::ready ? answer.get() : GpuHealth{};
}

}  // namespace lockstep
