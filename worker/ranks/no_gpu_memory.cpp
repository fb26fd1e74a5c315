// In the place of gpu_memory.cpp where the build has no CUDA.
#include "worker/ranks/out_of_memory.hpp"

namespace lockstep {

void end_when_gpu_memory_is_refused(int) {}

void give_back_unused_gpu_memory() {}

}  // namespace lockstep
