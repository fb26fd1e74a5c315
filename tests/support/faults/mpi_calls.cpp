// Wrappers of MPI by its profiling interface: each message is a point, and so is the first test for
// completion after messages were posted. Every collective of lockstep is made of these calls.

#include "collectives/mpi.hpp"
#include "tests/support/faults/points.hpp"

namespace {

using lockstep::faults::is_cut;
using lockstep::faults::reach;

thread_local bool posted = false;  // messages whose completion nobody has tested yet

std::string rank_name(int rank) { return "rank " + std::to_string(rank); }

/// A message over a link that is cut: posted, and never completed (see `nothing`).
int lost(MPI_Comm communicator, MPI_Request* request) {
  return PMPI_Isend(nullptr, 0, MPI_BYTE, MPI_PROC_NULL, 0, communicator, request);
}

int nothing(int* found) {
  *found = 0;
  return MPI_SUCCESS;
}

void reach_wait() {
  if (!posted) return;
  posted = false;
  reach("message", "wait");
}

}  // namespace

extern "C" {

int MPI_Init_thread(int* count, char*** words, int required, int* provided) {
  reach("call", "MPI_Init_thread");
  return PMPI_Init_thread(count, words, required, provided);
}

int MPI_Finalize() {
  reach("call", "MPI_Finalize");
  return PMPI_Finalize();
}

int MPI_Comm_idup(MPI_Comm communicator, MPI_Comm* copy, MPI_Request* request) {
  reach("call", "MPI_Comm_idup");
  return PMPI_Comm_idup(communicator, copy, request);
}

int MPI_Ibarrier(MPI_Comm communicator, MPI_Request* request) {
  reach("call", "MPI_Ibarrier");
  return is_cut() ? lost(communicator, request) : PMPI_Ibarrier(communicator, request);
}

int MPI_Isend(const void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm communicator,
              MPI_Request* request) {
  reach("message", "to " + rank_name(peer));
  posted = true;
  return is_cut() ? lost(communicator, request)
                  : PMPI_Isend(data, count, type, peer, tag, communicator, request);
}

int MPI_Irecv(void* data, int count, MPI_Datatype type, int peer, int tag, MPI_Comm communicator,
              MPI_Request* request) {
  reach("message", "from " + rank_name(peer));
  posted = true;
  return is_cut() ? lost(communicator, request)
                  : PMPI_Irecv(data, count, type, peer, tag, communicator, request);
}

int MPI_Testall(int count, MPI_Request requests[], int* done, MPI_Status statuses[]) {
  reach_wait();
  return is_cut() ? nothing(done) : PMPI_Testall(count, requests, done, statuses);
}

int MPI_Testsome(int count, MPI_Request requests[], int* done, int places[], MPI_Status statuses[]) {
  reach_wait();
  return is_cut() ? nothing(done) : PMPI_Testsome(count, requests, done, places, statuses);
}

int MPI_Request_get_status(MPI_Request request, int* done, MPI_Status* status) {
  return is_cut() ? nothing(done) : PMPI_Request_get_status(request, done, status);
}

int MPI_Iprobe(int peer, int tag, MPI_Comm communicator, int* found, MPI_Status* status) {
  return is_cut() ? nothing(found) : PMPI_Iprobe(peer, tag, communicator, found, status);
}

}  // extern "C"
