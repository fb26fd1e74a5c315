// A rank is killed or stopped while the other ranks of its host wait for it in shared memory, and the ranks
// of another host wait for its messages. test_peer_loss.py starts and ends this program, as it does for the
// transports. Ranks 0 and 1 form one host, the others another.
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "collectives/host_reduction.hpp"
#include "common/clock.hpp"

int main(int argc, char** argv) {
  using namespace lockstep;
  int threads = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &threads);
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s SIGNAL VICTIM DEADLINE_MS\n", argv[0]);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  }
  const std::int64_t elements = 1 << 20;
  MpiTransport transport(MPI_COMM_WORLD, std::chrono::milliseconds(std::atoi(argv[3])));
  HostMemory host(transport, [&](int rank, int other) { return (rank < 2) == (other < 2); });
  const int rank = transport.rank(), world_size = transport.world_size();
  std::vector<Range> shards;
  for (int r = 0; r < world_size; ++r) shards.push_back(rank_range(elements, r, world_size));
  std::vector<float> sum(shards[rank].size());
  auto start = Clock::now();
  try {
    HostReduction reduction(host, {2 * world_size, shards, elements}, 1 << 16);
    for (int step = 0;; ++step) {
      start = Clock::now();
      reduction.start(sum.data());
      reduction.publish(elements / 2);
      if (step == 3 && rank == std::atoi(argv[2])) raise(std::atoi(argv[1]));
      reduction.send({});
      reduction.finish();
    }
  } catch (const CollectiveError& error) {
    std::printf("survivor %d of host after %.0f ms: %s\n", rank, seconds_since(start) * 1e3, error.what());
    std::fflush(stdout);
  }
  for (;;) pause();  // so that no other survivor mistakes this rank's exit for the cause
}
