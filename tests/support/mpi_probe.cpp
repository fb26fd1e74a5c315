// A program for the tests of the simulated hosts: prints where each rank is, and checks that all can reach
// each other.
//   mpi_probe            every rank sends 1 MiB to every other and checks what it got; one line per rank
//   mpi_probe wait       says "waiting" once all are there, then waits for a message that never comes
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

#include "collectives/mpi.hpp"

namespace {

constexpr int kBytes = 1 << 20;

/// Collective: true if this rank received from every other exactly what that rank sent.
bool exchange_with_all(int rank, int size) {
  bool right = true;
  for (int distance = 1; distance < size; ++distance) {
    const int to = (rank + distance) % size, from = (rank + size - distance) % size;
    const std::vector<unsigned char> sent(kBytes, static_cast<unsigned char>(rank + 1));
    std::vector<unsigned char> received(kBytes, 0);
    MPI_Sendrecv(sent.data(), kBytes, MPI_BYTE, to, 0, received.data(), kBytes, MPI_BYTE, from, 0,
                 MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    for (unsigned char byte : received) right = right && byte == from + 1;
  }
  return right;
}

}  // namespace

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank = 0, size = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  if (argc > 1 && std::strcmp(argv[1], "wait") == 0) {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank == 0) std::puts("waiting"), std::fflush(stdout);
    MPI_Recv(nullptr, 0, MPI_BYTE, MPI_ANY_SOURCE, 0, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
  }
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  const bool right = exchange_with_all(rank, size);
  std::printf("rank %d of %d on %s %s\n", rank, size, host, right ? "reached all" : "GOT WRONG DATA");
  MPI_Finalize();
  return right ? 0 : 1;
}
