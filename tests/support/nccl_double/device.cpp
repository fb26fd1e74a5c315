#include "tests/support/nccl_double/device.hpp"

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>

#include "tests/support/nccl_double/faults.hpp"

namespace lockstep::nccl_double {
namespace {

constexpr int default_gpus = 8;
constexpr int unset_byte = 0xff;  // new memory holds NaN, so that reads of unwritten memory show

thread_local int device_of_thread = 0;

std::map<std::uintptr_t, std::size_t>& blocks() {  // sizes of what cudaMalloc() returned, by address
  static std::map<std::uintptr_t, std::size_t> blocks;
  return blocks;
}

std::set<cudaStream_t>& streams() {
  static std::set<cudaStream_t> streams;
  return streams;
}

int gpus() {
  const char* const text = std::getenv("NCCL_DOUBLE_GPUS");
  return text != nullptr ? std::atoi(text) : default_gpus;
}

/// The index on the host of the first GPU that this process is shown (NCCL_DOUBLE_FIRST, NCCL_DOUBLE_GPUS).
int first_gpu() {
  static const char* const text = std::getenv("NCCL_DOUBLE_FIRST");
  return text ? std::atoi(text) : 0;
}

/// The fault that NCCL_DOUBLE_FAIL="FUNCTION:CALL:ERROR:GPU" asks for: from that call of the function on,
/// every call of any function here fails with the error on that GPU, as CUDA errors persist in a process.
cudaError_t fault_in(const char* function) {
  static const char* const text = std::getenv("NCCL_DOUBLE_FAIL");
  static char name[64] = "";
  static int call = 0, error = 0, gpu = 0;
  static const bool given =
      text != nullptr && std::sscanf(text, "%63[^:]:%d:%d:%d", name, &call, &error, &gpu) == 4;
  static int calls = 0;
  if (!given || (gpu >= 0 && first_gpu() + device_of_thread != gpu)) return cudaSuccess;
  if (calls < call && std::strcmp(function, name) == 0) ++calls;
  return calls < call ? cudaSuccess : static_cast<cudaError_t>(error);
}

bool bring_on(cudaStream_t stream) {
  auto& operations = stream->operations;
  while (!operations.empty() && operations.front()()) operations.pop_front();
  return operations.empty();
}

enum class Follow { ordinary_streams, all_streams };  // the legacy default stream does the first

// With a message in flight, CUDA would wait without a deadline, which lockstep must never do.
cudaError_t follow(Follow which) {
  for (const auto stream : streams()) {
    const bool followed = stream->ordinary || which == Follow::all_streams;
    if (followed && !bring_on(stream)) return cudaErrorIllegalState;
  }
  return cudaSuccess;
}

}  // namespace

Faults& faults() {
  static Faults faults;
  return faults;
}

void give(cudaStream_t stream, const std::vector<Touched>&, std::function<bool()> work) {
  stream->operations.push_back(std::move(work));
}

int current_device() { return first_gpu() + device_of_thread; }

bool is_usable(const void* data, std::size_t bytes) {
  if (!faults().only_device_memory) return true;
  const auto begin = reinterpret_cast<std::uintptr_t>(data);
  const auto after = blocks().upper_bound(begin);
  if (after == blocks().begin()) return false;
  const auto& [start, size] = *std::prev(after);
  return begin + bytes <= start + size;
}

}  // namespace lockstep::nccl_double

using namespace lockstep::nccl_double;

extern "C" {

cudaError_t cudaGetDeviceCount(int* count) {
  *count = gpus();
  return *count > 0 ? cudaSuccess : cudaErrorNoDevice;
}

cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = CUDART_VERSION;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device) {
  if (device < 0 || device >= gpus()) return cudaErrorInvalidDevice;
  *properties = {};
  std::snprintf(properties->name, sizeof properties->name, "double of a GPU");
  properties->major = 9;
  properties->pciBusID = first_gpu() + device;
  properties->uuid.bytes[0] = 0x2d;  // of no GPU that is sold
  properties->uuid.bytes[15] = static_cast<char>(first_gpu() + device);
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= gpus()) return cudaErrorInvalidDevice;
  device_of_thread = device;
  return cudaSuccess;
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  return cudaStreamCreateWithFlags(stream, cudaStreamDefault);
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned int flags) {
  *stream = new CUstream_st{flags != cudaStreamNonBlocking, {}};
  streams().insert(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  if (streams().erase(stream) == 0) return cudaErrorInvalidResourceHandle;
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned int flags) {
  if (flags != cudaEventDisableTiming && flags != cudaEventDefault) return cudaErrorNotSupported;
  *event = new CUevent_st{.timed = flags == cudaEventDefault};
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (const auto fault = fault_in("cudaEventRecord"); fault != cudaSuccess) return fault;
  if (stream != cudaStreamLegacy || (event->recorded && !event->timed)) return cudaErrorNotSupported;
  event->recorded = true;
  const std::chrono::duration<double, std::milli> now = std::chrono::steady_clock::now().time_since_epoch();
  event->milliseconds = faults().gpu_milliseconds.value_or(now.count());
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  if (!event->timed || !event->recorded) return cudaErrorNotSupported;
  return faults().gpu_is_behind ? cudaErrorNotReady : cudaSuccess;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  if (!event->timed || !event->recorded) return cudaErrorNotSupported;
  faults().gpu_is_behind = false;
  return cudaSuccess;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  if (cudaEventQuery(begin) != cudaSuccess || cudaEventQuery(end) != cudaSuccess) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(end->milliseconds - begin->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned int) {
  if (event->timed) return cudaErrorNotSupported;
  if (!event->recorded) return cudaErrorInvalidValue;  // CUDA would not wait at all
  event->recorded = false;
  return stream->ordinary ? cudaErrorNotSupported : cudaSuccess;
}

cudaError_t cudaStreamQuery(cudaStream_t stream) {
  if (const auto fault = fault_in("cudaStreamQuery"); fault != cudaSuccess) return fault;
  if (stream == cudaStreamLegacy) return cudaSuccess;
  return bring_on(stream) ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (const auto fault = fault_in("cudaStreamSynchronize"); fault != cudaSuccess) return fault;
  return stream == cudaStreamLegacy ? follow(Follow::ordinary_streams) : cudaErrorNotSupported;
}

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (bytes > faults().memory_bytes) return cudaErrorMemoryAllocation;
  *data = std::malloc(bytes);
  std::memset(*data, unset_byte, bytes);
  blocks()[reinterpret_cast<std::uintptr_t>(*data)] = bytes;
  return cudaSuccess;
}

cudaError_t cudaFree(void* data) {
  if (data == nullptr) return cudaSuccess;
  if (blocks().erase(reinterpret_cast<std::uintptr_t>(data)) == 0) return cudaErrorInvalidValue;
  const auto result = follow(Follow::all_streams);
  std::free(data);
  return result;
}

cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  if (kind != cudaMemcpyDefault) return cudaErrorInvalidMemcpyDirection;
  if (const auto fault = fault_in("cudaMemcpy"); fault != cudaSuccess) return fault;
  if (const auto result = follow(Follow::ordinary_streams); result != cudaSuccess) return result;
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const auto error = static_cast<cudaError_t>(faults().gpu_error);
  return error != cudaSuccess ? error : fault_in("cudaGetLastError");
}

cudaError_t cudaPeekAtLastError() { return cudaGetLastError(); }

const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorECCUncorrectable:
      return "uncorrectable ECC error encountered";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice:
      return "invalid device ordinal";
    case cudaErrorIllegalAddress:
      return "an illegal memory access was encountered";
    case cudaErrorIllegalState:
      return "a message is under way that this call would wait for";
    default:
      return "refused by the double of CUDA";
  }
}

}  // extern "C"
