// What the NCCL double needs from the GPU, implemented on the ghost.

#include "collectives/mpi.hpp"
#include "tests/support/ghost_gpu/ghost.hpp"
#include "tests/support/nccl_double/faults.hpp"
#include "tests/support/nccl_double/operations.hpp"

namespace lockstep::nccl_double {

Faults& faults() {
  static Faults faults;
  return faults;
}

int current_device() {
  int device = 0;
  cudaGetDevice(&device);
  return device;
}

bool is_usable(const void* data, std::size_t) { return ghost::kind_of(data) == ghost::MemoryKind::device; }

void give(cudaStream_t stream, const std::vector<Touched>& memory, std::function<bool()> work) {
  std::vector<ghost::Access> accesses;
  double bytes = 0;
  for (const auto& part : memory) {
    accesses.push_back({part.begin, part.bytes, part.writes});
    bytes += static_cast<double>(part.bytes);
  }
  ghost::count("messages over NCCL", bytes);
  ghost::give(stream, "messages over NCCL", accesses, [work = std::move(work)] {
    int is_main = 0;
    MPI_Is_thread_main(&is_main);  // only that thread may call MPI
    return is_main != 0 && work();
  });
}

}  // namespace lockstep::nccl_double
