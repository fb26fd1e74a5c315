// A communicator of the double: how it connects, and how the calls that it was given progress.
#pragma once

#include <nccl.h>

#include <atomic>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "collectives/mpi.hpp"

namespace lockstep::nccl_double {

struct Introduction {  // of a rank to the others
  ncclUniqueId id;
  char host[64];
  int device;
};

/// What ncclGetLastError() says.
std::string& last_error();
ncclResult_t refuse(ncclResult_t result, const std::string& why);

}  // namespace lockstep::nccl_double

/// ncclCommGetAsyncError() brings on what an asynchronous call has started: first `request` completes, then
/// the steps follow, one per call.
struct ncclComm {
  int rank = 0;
  int world_size = 1;
  MPI_Comm mpi = MPI_COMM_NULL;
  MPI_Request request = MPI_REQUEST_NULL;
  std::deque<std::function<ncclResult_t()>> steps;
  ncclResult_t error = ncclSuccess;  // stays
  std::vector<lockstep::nccl_double::Introduction> introductions;
  bool finalized = false;
  std::atomic<bool> aborted = false;
};

namespace lockstep::nccl_double {

/// Steps of ncclCommInitRankConfig().
ncclResult_t introduce(ncclComm* communicator);
ncclResult_t check_introductions(ncclComm* communicator);
/// Advances the communicator's work, as far as that needs no missing peer.
ncclResult_t bring_on(ncclComm* communicator);

}  // namespace lockstep::nccl_double
