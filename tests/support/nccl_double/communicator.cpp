#include "tests/support/nccl_double/communicator.hpp"

#include <cstring>
#include <utility>

namespace lockstep::nccl_double {

std::string& last_error() {
  static std::string error;
  return error;
}

ncclResult_t refuse(ncclResult_t result, const std::string& why) {
  last_error() = why;
  return result;
}

ncclResult_t introduce(ncclComm* communicator) {
  MPI_Comm_set_errhandler(communicator->mpi, MPI_ERRORS_RETURN);
  MPI_Iallgather(MPI_IN_PLACE, 0, MPI_BYTE, communicator->introductions.data(), sizeof(Introduction),
                 MPI_BYTE, communicator->mpi, &communicator->request);
  return ncclSuccess;
}

ncclResult_t check_introductions(ncclComm* communicator) {
  const auto& own = communicator->introductions[communicator->rank];
  for (int rank = 0; rank < communicator->world_size; ++rank) {
    const auto& other = communicator->introductions[rank];
    if (std::memcmp(&other.id, &own.id, sizeof own.id) != 0) {
      return refuse(ncclInvalidArgument, "rank " + std::to_string(rank) + " has another unique id");
    }
    if (rank != communicator->rank && other.device == own.device && std::strcmp(other.host, own.host) == 0) {
      return refuse(ncclInvalidUsage, "Duplicate GPU detected : rank " + std::to_string(communicator->rank) +
                                          " and rank " + std::to_string(rank) + " both on CUDA device " +
                                          std::to_string(own.device));
    }
  }
  return ncclSuccess;
}

ncclResult_t bring_on(ncclComm* communicator) {
  if (communicator->error != ncclSuccess) return communicator->error;
  int done = 0;
  if (MPI_Test(&communicator->request, &done, MPI_STATUS_IGNORE) != MPI_SUCCESS) {
    return communicator->error = ncclRemoteError;
  }
  if (done == 0) return ncclInProgress;
  if (communicator->steps.empty()) return ncclSuccess;
  const auto step = std::move(communicator->steps.front());
  communicator->steps.pop_front();
  communicator->error = step();
  if (communicator->error != ncclSuccess) return communicator->error;
  return communicator->steps.empty() ? ncclSuccess : ncclInProgress;
}

}  // namespace lockstep::nccl_double
