// The contract on the NCCL double, which refuses memory that is not device memory.
#include "tests/contract/nccl_reduction_contract.hpp"
#include "tests/contract/nccl_under_test.hpp"
#include "tests/contract/transport_contract.hpp"
#include "tests/support/nccl_double/faults.hpp"

namespace lockstep::contract {

struct NcclOnDouble : NcclUnderTest {
  using NcclUnderTest::NcclUnderTest;
  static std::string reason_to_skip() {
    nccl_double::faults().only_device_memory = true;
    return NcclUnderTest::reason_to_skip();
  }
};

INSTANTIATE_TYPED_TEST_SUITE_P(NcclOnDouble, TransportContract, NcclOnDouble);
INSTANTIATE_TYPED_TEST_SUITE_P(NcclOnDouble, NcclReductionContract, NcclOnDouble);

}  // namespace lockstep::contract
