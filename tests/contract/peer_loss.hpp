// A program in which one rank is killed or stopped in the middle of a collective, and the others print how
// they learned of it. test_peer_loss.py starts and ends the program: after the loss of a peer no rank may
// wait for another, not even in MPI_Finalize.
#pragma once

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "collectives/all_gather.hpp"
#include "collectives/mpi.hpp"
#include "collectives/reduce_scatter.hpp"
#include "common/clock.hpp"

namespace lockstep::contract {

/// Forwards every call, and sends `signal` to its own process in exchange number `fatal_exchange`.
class DoomedTransport final : public Transport {
 public:
  DoomedTransport(Transport& inner, int signal, int fatal_exchange)
      : inner_(inner), signal_(signal), exchanges_left_(fatal_exchange) {}

  int rank() const override { return inner_.rank(); }
  int world_size() const override { return inner_.world_size(); }
  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override {
    if (signal_ != 0 && --exchanges_left_ == 0) raise(signal_);
    inner_.exchange(outgoing, incoming);
  }
  void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
                std::int64_t count, GradientFormat format) override {
    inner_.add_tree(partial_sums, merges, sum, count, format);
  }
  void* scratch(std::size_t bytes) override { return inner_.scratch(bytes); }
  void copy(void* to, const void* from, std::size_t bytes) override { inner_.copy(to, from, bytes); }
  void check_peers() override { inner_.check_peers(); }
  std::string name() const override { return inner_.name(); }

 private:
  Transport& inner_;
  int signal_;
  int exchanges_left_;
};

/// main() of such a program: arguments SIGNAL (a number) VICTIM (a rank) DEADLINE_MS. Each survivor prints
/// one line: "survivor RANK of NAME after MS ms: MESSAGE". Never returns.
template <typename UnderTest>
[[noreturn]] int lose_a_peer(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  if (argc != 4) {
    std::fprintf(stderr, "usage: %s SIGNAL VICTIM DEADLINE_MS\n", argv[0]);
    MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  }
  const std::int64_t count = 5 * reduce_scatter_bucket;
  UnderTest under_test{std::chrono::milliseconds(std::atoi(argv[3]))};
  const int rank = under_test.transport().rank();
  const int world_size = under_test.transport().world_size();
  // Dies in the second bucket of the third step.
  DoomedTransport transport(under_test.transport(), rank == std::atoi(argv[2]) ? std::atoi(argv[1]) : 0, 10);
  const auto partial_sum = under_test.allocate(sizeof(float) * count);
  const auto sum = under_test.allocate(sizeof(float) * count);
  const std::vector<float> zeros(count);
  transport.copy(partial_sum.get(), zeros.data(), sizeof(float) * count);
  std::vector<Range> shards, byte_ranges;
  for (int r = 0; r < world_size; ++r) {
    shards.push_back(rank_range(count, r, world_size));
    byte_ranges.push_back({shards[r].begin * 4, shards[r].end * 4});
  }
  float* const partial_sums[] = {static_cast<float*>(partial_sum.get())};
  auto start = Clock::now();
  try {
    for (;;) {
      start = Clock::now();
      reduce_scatter(transport, world_size, partial_sums, shards,
                     static_cast<float*>(sum.get()) + shards[rank].begin);
      all_gather(transport, sum.get(), byte_ranges);
    }
  } catch (const CollectiveError& error) {
    std::printf("survivor %d of %s after %.0f ms: %s\n", rank, transport.name().c_str(),
                seconds_since(start) * 1e3, error.what());
    std::fflush(stdout);
  }
  for (;;) pause();  // so that no other survivor mistakes this rank's exit for the cause
}

}  // namespace lockstep::contract
