// The contract on the staged transport, on the GPU double, which refuses sums outside device memory.
#include "tests/contract/staged_under_test.hpp"
#include "tests/contract/transport_contract.hpp"
#include "tests/support/nccl_double/faults.hpp"

namespace lockstep::contract {

struct StagedOnDouble : StagedUnderTest {
  using StagedUnderTest::StagedUnderTest;
  static std::string reason_to_skip() {
    nccl_double::faults().only_device_memory = true;
    return StagedUnderTest::reason_to_skip();
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(StagedOnDouble, TransportContract, StagedOnDouble);

// All bytes go over the host's transport, which alone counts them.
TEST(StagedTransport, IsCountedByTheHostsTransportAlone) {
  StagedOnDouble under_test(deadline);
  auto& transport = under_test.transport();
  const int world_size = transport.world_size();
  const auto before = under_test.host().sent();
  Array<std::byte> buffer(under_test, 10 * world_size);
  std::vector<Range> ranges;
  for (int rank = 0; rank < world_size; ++rank) ranges.push_back({10 * rank, 10 * (rank + 1)});
  all_gather(transport, buffer.data(), ranges);
  EXPECT_EQ(under_test.host().sent().messages - before.messages, world_size - 1);
  EXPECT_EQ(under_test.host().sent().bytes - before.bytes, 10 * (world_size - 1));
  EXPECT_EQ(transport.sent().messages, 0);
}

}  // namespace lockstep::contract
