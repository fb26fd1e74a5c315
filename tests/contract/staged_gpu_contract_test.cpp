// The contract on the staged transport where there is a GPU, which all ranks share.
#include "tests/contract/staged_under_test.hpp"
#include "tests/contract/transport_contract.hpp"

namespace lockstep::contract {

INSTANTIATE_TYPED_TEST_SUITE_P(StagedOnGpu, TransportContract, StagedUnderTest);

}  // namespace lockstep::contract
