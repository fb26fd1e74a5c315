// What a rank of a job computes with, and how it communicates with the others.
#pragma once

#include "collectives/host_memory.hpp"
#include "collectives/mpi_transport.hpp"
#include "worker/ranks/compute.hpp"

namespace lockstep {

struct Job {
  MpiTransport& mpi;   ///< between all ranks, for host memory
  HostMemory& memory;  ///< that the ranks of this host share
  Compute compute;     ///< this rank's device, and the transport between GPUs where it has one

  int rank() const { return mpi.rank(); }
  int world_size() const { return mpi.world_size(); }
  /// The transport that moves and reduces gradients and weights: between GPUs, or `mpi`.
  Transport& transport() const { return compute.transport(mpi); }
  /// What this rank has sent so far, over both transports.
  Transport::Sent sent() const {
    auto all = mpi.sent();
    if (compute.between_gpus) all.add({}, compute.between_gpus->sent());
    return all;
  }
};

}  // namespace lockstep
