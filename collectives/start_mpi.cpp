#include "collectives/start_mpi.hpp"

#include <cstdlib>

#include "collectives/mpi.hpp"

namespace lockstep {

void start_mpi(int* argc, char*** argv) {
  // Open MPI's TCP without "put": there, a receiver's request for the next part of a message waits in the
  // same queue as all that it is itself sending, so that two hosts send in turn instead of at once.
  setenv("OMPI_MCA_btl_tcp_flags", "send,inplace,need-ack,need-csum,hetero-rdma", /*overwrite=*/0);
  int threads = MPI_THREAD_SINGLE;
  MPI_Init_thread(argc, argv, MPI_THREAD_SERIALIZED, &threads);
}

}  // namespace lockstep
