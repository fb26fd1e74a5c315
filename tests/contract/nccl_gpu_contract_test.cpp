// The contract on NCCL itself, where there is a GPU for each rank.
#include "tests/contract/nccl_reduction_contract.hpp"
#include "tests/contract/nccl_under_test.hpp"
#include "tests/contract/transport_contract.hpp"

namespace lockstep::contract {

INSTANTIATE_TYPED_TEST_SUITE_P(NcclOnGpus, TransportContract, NcclUnderTest);
INSTANTIATE_TYPED_TEST_SUITE_P(NcclOnGpus, NcclReductionContract, NcclUnderTest);

}  // namespace lockstep::contract
