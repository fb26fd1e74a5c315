// In the place of gpu.cpp, gpu_clock.cpp, gpu_fault.cpp and make_gpu_transport.cpp where the build has no
// CUDA.
#include "collectives/gpu.hpp"
#include "collectives/gpu_clock.hpp"
#include "collectives/gpu_driver.hpp"
#include "collectives/gpu_fault.hpp"
#include "collectives/make_gpu_transport.hpp"

namespace lockstep {

int gpu_count() { return 0; }
std::string why_no_gpu() { return "this build of lockstep has no CUDA"; }
void require_sound_gpus() {}
Gpu gpu(int device) { refuse_gpu(device, why_no_gpu()); }
std::string gpu_address(int device) { refuse_gpu(device, why_no_gpu()); }
std::string gpu_uuid(int device) { refuse_gpu(device, why_no_gpu()); }
std::vector<std::string> gpu_names() { return {}; }
void select_gpu(int device) { refuse_gpu(device, why_no_gpu()); }
int selected_gpu() { return -1; }

GpuClock::GpuClock() {
  throw Error(ExitCode::bug, "this build of lockstep has no CUDA to measure time with");
}
GpuClock::~GpuClock() = default;
void GpuClock::mark() {}
std::optional<Clock::time_point> GpuClock::next() { return std::nullopt; }
void GpuClock::finish() {}

GpuFault gpu_fault(int) { return GpuFault::none; }
GpuFailure::GpuFailure(int cuda_error, const std::string& when)
    : GpuFailure(GpuFault::none, "CUDA error " + std::to_string(cuda_error) + ", " + when) {}
std::optional<Error> refused_gpu_memory(int, const std::string&, const std::string&) { return std::nullopt; }
std::optional<GpuFailure> gpu_fault_now(const std::string&) { return std::nullopt; }

std::unique_ptr<Transport> make_gpu_transport(MpiTransport&, int device, GpuMessages,
                                              std::chrono::milliseconds, std::function<void()>) {
  refuse_gpu(device, why_no_gpu());
}

}  // namespace lockstep
