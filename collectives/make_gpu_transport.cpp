#include "collectives/make_gpu_transport.hpp"

#include <utility>

#include "collectives/nccl_transport.hpp"
#include "collectives/staged_transport.hpp"

namespace lockstep {

std::unique_ptr<Transport> make_gpu_transport(MpiTransport& host, int device, GpuMessages messages,
                                              std::chrono::milliseconds deadline,
                                              std::function<void()> give_back) {
  std::unique_ptr<GpuTransport> transport;
  if (messages == GpuMessages::over_nccl) {
    transport = std::make_unique<NcclTransport>(host, device, deadline);
  } else {
    transport = std::make_unique<StagedTransport>(host, device);
  }
  if (give_back) transport->when_memory_is_refused(std::move(give_back));
  return transport;
}

}  // namespace lockstep
