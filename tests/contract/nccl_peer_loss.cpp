#include "tests/contract/nccl_under_test.hpp"
#include "tests/contract/peer_loss.hpp"

int main(int argc, char** argv) {
  lockstep::contract::lose_a_peer<lockstep::contract::NcclUnderTest>(argc, argv);
}
