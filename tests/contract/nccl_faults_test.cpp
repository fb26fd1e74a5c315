// How the NCCL transport handles failures and misuse, on the NCCL double.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

#include "collectives/nccl_reduction.hpp"
#include "collectives/tree_sum_kernel.hpp"
#include "tests/contract/gradients.hpp"
#include "tests/contract/nccl_under_test.hpp"
#include "tests/support/nccl_double/faults.hpp"

namespace lockstep::contract {
namespace {

using nccl_double::aborts;
using nccl_double::faults;

constexpr auto long_deadline = std::chrono::seconds(60);
constexpr auto short_deadline = std::chrono::milliseconds(200);

class NcclFaults : public testing::Test {
 protected:
  void SetUp() override {
    faults() = {.only_device_memory = true};
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &world_size);
    aborts_before = aborts();
  }
  void TearDown() override { faults() = {}; }

  int aborts_now() const { return aborts() - aborts_before; }

  // Expects `action` to throw a CollectiveError, and returns its message.
  static std::string failure_of(const std::function<void()>& action) {
    try {
      action();
    } catch (const CollectiveError& error) {
      return error.what();
    }
    ADD_FAILURE() << "no CollectiveError";
    return "";
  }

  // Sends one byte from every rank to every other.
  void exchange_with_all(Transport& transport, void* sent, void* received) const {
    std::vector<Outgoing> outgoing;
    std::vector<Incoming> incoming;
    for (int peer = 0; peer < world_size; ++peer) {
      if (peer == rank) continue;
      outgoing.push_back({peer, static_cast<char*>(sent) + peer, 1});
      incoming.push_back({peer, static_cast<char*>(received) + peer, 1});
    }
    transport.exchange(outgoing, incoming);
  }
  void exchange_with_all(NcclUnderTest& under_test) const {
    const auto sent = under_test.allocate(world_size);
    const auto received = under_test.allocate(world_size);
    exchange_with_all(under_test.transport(), sent.get(), received.get());
  }

  void expect_peers_named(const std::string& text) const {
    for (int peer = 0; peer < world_size; ++peer) {
      const bool is_named = text.find("rank " + std::to_string(peer) + " on ") != std::string::npos;
      EXPECT_EQ(is_named, peer != rank) << text;
    }
  }

  int rank = 0;
  int world_size = 1;
  int aborts_before = 0;
};

#define SKIP_WITHOUT_PEERS() \
  if (world_size == 1) GTEST_SKIP() << "there are no peers"

TEST_F(NcclFaults, AnErrorOfNcclNamesThePeersAndAborts) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  faults().asynchronous_error = ncclRemoteError;
  const auto text = failure_of([&] { exchange_with_all(under_test); });
  expect_peers_named(text);
  EXPECT_NE(text.find("remote process exited or there was a network error"), std::string::npos) << text;
  EXPECT_EQ(aborts_now(), 1);
}

TEST_F(NcclFaults, PeersThatAreSilentInAnExchangeAreNamedAtTheDeadline) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  under_test.nccl().set_deadline(short_deadline);
  faults().silent_peers = true;
  const auto text = failure_of([&] { exchange_with_all(under_test); });
  expect_peers_named(text);
  EXPECT_EQ(text.find("no answer within 200 ms from"), 0u) << text;
  EXPECT_EQ(aborts_now(), 1);
}

TEST_F(NcclFaults, PeersThatAreSilentBesideTheComputingAreNamedAtTheDeadline) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  under_test.nccl().set_deadline(short_deadline);
  const std::int64_t elements = 1000 * world_size;  // so that every rank has a part
  const auto partial_sum = under_test.allocate(sizeof(float) * elements);
  const auto sum = under_test.allocate(sizeof(float) * 1000);
  std::vector<Range> shards;
  for (int r = 0; r < world_size; ++r) shards.push_back({1000 * r, 1000 * (r + 1)});
  NcclReduction reduction(under_test.nccl(), {world_size, shards, elements});
  float* const partial_sums[] = {static_cast<float*>(partial_sum.get())};
  reduction.connect();
  reduction.start(static_cast<float*>(sum.get()));
  reduction.send(partial_sums);
  faults().silent_peers = true;
  const auto text = failure_of([&] { reduction.finish(); });
  expect_peers_named(text);
  EXPECT_EQ(text.find("no answer within 200 ms from"), 0u) << text;
}

TEST_F(NcclFaults, PeersThatDoNotConnectAreNamedAtTheDeadline) {
  SKIP_WITHOUT_PEERS();
  MpiTransport host(MPI_COMM_WORLD, long_deadline);
  faults().silent_peers = true;
  const auto text = failure_of([&] { NcclTransport(host, rank, short_deadline); });
  expect_peers_named(text);
  EXPECT_NE(text.find("the connection over NCCL"), std::string::npos) << text;
  EXPECT_EQ(aborts_now(), 1);
}

TEST_F(NcclFaults, AnAbortThatNeverEndsDoesNotHoldTheErrorBack) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  under_test.nccl().set_deadline(short_deadline);
  faults().silent_peers = true;
  faults().endless_abort = true;
  expect_peers_named(failure_of([&] { exchange_with_all(under_test); }));
}

TEST_F(NcclFaults, AnExceptionThatPassesAbortsInsteadOfWaitingForPeers) {
  EXPECT_THROW(
      {
        NcclUnderTest under_test(long_deadline);
        throw std::runtime_error("of something else");
      },
      std::runtime_error);
  EXPECT_EQ(aborts_now(), 1);
}

TEST_F(NcclFaults, AnOrderlyEndAbortsNothing) {
  { NcclUnderTest under_test(long_deadline); }
  EXPECT_EQ(aborts_now(), 0);
}

TEST_F(NcclFaults, TwoRanksOnOneGpuAreRefused) {
  SKIP_WITHOUT_PEERS();
  MpiTransport host(MPI_COMM_WORLD, long_deadline);
  const auto text = failure_of([&] { NcclTransport(host, 0, long_deadline); });
  EXPECT_NE(text.find("Duplicate GPU"), std::string::npos) << text;
}

TEST_F(NcclFaults, HostMemoryInAnExchangeIsAnError) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  std::vector<char> host_memory(world_size);
  const auto text =
      failure_of([&] { exchange_with_all(under_test.transport(), host_memory.data(), host_memory.data()); });
  EXPECT_NE(text.find("invalid argument: not device memory"), std::string::npos) << text;
}

TEST_F(NcclFaults, HostMemoryInASumIsAFaultOfTheGpu) {
  NcclUnderTest under_test(long_deadline);
  float left = 1, right = 2;
  const float* const partial_sums[] = {&left, &right};
  const Merge merges[] = {{0, 1}};
  try {
    under_test.transport().add_tree(partial_sums, merges, &left, 1, GradientFormat::float32);
    ADD_FAILURE() << "no error";
  } catch (const GpuFailure& failure) {
    EXPECT_EQ(failure.why(),
              "CUDA error 700: an illegal memory access was encountered, when it was to add gradients");
  }
}

TEST_F(NcclFaults, AnErrorOfNcclBehindWhichTheGpuHasFailedIsAFaultOfTheGpu) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  faults().asynchronous_error = ncclUnhandledCudaError;
  faults().gpu_error = 719;
  std::vector<char> bytes(world_size);
  try {
    exchange_with_all(under_test.transport(), bytes.data(), bytes.data());
    ADD_FAILURE() << "no error";
  } catch (const GpuFailure& failure) {
    EXPECT_EQ(failure.fault(), GpuFault::kernel);
    EXPECT_NE(failure.why().find("CUDA error 719: "), std::string::npos) << failure.why();
  }
}

TEST_F(NcclFaults, ScratchBeyondTheMemoryOfTheGpuIsAnErrorWithTheSizeAndAnAdvice) {
  NcclUnderTest under_test(long_deadline);
  faults().memory_bytes = 1000;
  try {
    under_test.transport().scratch(1001);
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_EQ(error.exit_code(), ExitCode::out_of_memory);
    EXPECT_NE(text.find("1001 bytes"), std::string::npos) << text;
    EXPECT_NE(text.find("(out of memory) lower training.micro_batch_size"), std::string::npos) << text;
  }
  EXPECT_NE(under_test.transport().scratch(1000), nullptr);
}

TEST_F(NcclFaults, MemoryThatOthersGiveBackIsAskedForOnceMore) {
  NcclUnderTest under_test(long_deadline);
  faults().memory_bytes = 1000;
  dynamic_cast<GpuTransport&>(under_test.transport()).when_memory_is_refused([] {
    faults().memory_bytes = 2000;
  });
  EXPECT_NE(under_test.transport().scratch(1001), nullptr);
}

TEST_F(NcclFaults, MemoryThatIsRefusedToNcclIsAnErrorOfItsOwn) {
  SKIP_WITHOUT_PEERS();
  NcclUnderTest under_test(long_deadline);
  faults().gpu_error = cudaErrorMemoryAllocation;
  faults().asynchronous_error = ncclUnhandledCudaError;
  std::vector<char> bytes(world_size);
  try {
    exchange_with_all(under_test.transport(), bytes.data(), bytes.data());
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::out_of_memory) << error.what();
  }
}

// More partial sums than one kernel adds, in arrays of about a block's size. The sum overwrites one partial
// sum; the other partial sums, and the element behind each array, must not change.
TEST_F(NcclFaults, SumsOfManyPartialSumsOfAnySizeAreBitEqualToTheTree) {
  constexpr std::int64_t leaves = 600;
  static_assert(leaves > 2 * TreeSum::capacity);
  const auto gradient = awkward_floats(11);
  const auto merges = merge_schedule(leaves, leaves);
  NcclUnderTest under_test(long_deadline);
  auto& transport = under_test.transport();
  for (const std::int64_t count :
       {1, 2, tree_sum_threads - 1, tree_sum_threads, tree_sum_threads + 1, 3 * tree_sum_threads + 7}) {
    const auto memory = under_test.allocate(sizeof(float) * leaves * (count + 1));
    std::vector<float> values;
    std::vector<float*> partial_sums;
    for (std::int64_t leaf = 0; leaf < leaves; ++leaf) {
      for (std::int64_t i = 0; i <= count; ++i) values.push_back(gradient(leaf, i));
      partial_sums.push_back(static_cast<float*>(memory.get()) + leaf * (count + 1));
    }
    transport.copy(memory.get(), values.data(), sizeof(float) * values.size());
    const auto place = static_cast<std::size_t>(count % leaves);
    transport.add_tree(partial_sums, merges, partial_sums[place], count, GradientFormat::float32);
    for (std::int64_t i = 0; i < count; ++i) {
      values[place * (count + 1) + i] = reference_sum(gradient, i, 0, leaves);
    }
    std::vector<float> after(values.size());
    transport.copy(after.data(), memory.get(), sizeof(float) * after.size());
    EXPECT_EQ(std::memcmp(after.data(), values.data(), sizeof(float) * after.size()), 0) << count;
  }
}

TEST_F(NcclFaults, GpusAreCountedAndNamed) {
  ASSERT_EQ(gpu_count(), 8);
  EXPECT_EQ(why_no_gpu(), "");
  EXPECT_EQ(gpu(7), (Gpu{"double of a GPU", 9, 0}));
  EXPECT_THROW(gpu(8), Error);
  EXPECT_THROW(select_gpu(8), Error);
  setenv("NCCL_DOUBLE_GPUS", "0", 1);
  EXPECT_EQ(gpu_count(), 0);
  EXPECT_EQ(why_no_gpu(), "no CUDA-capable device is detected");
  unsetenv("NCCL_DOUBLE_GPUS");
}

}  // namespace
}  // namespace lockstep::contract
