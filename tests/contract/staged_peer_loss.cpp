#include "tests/contract/peer_loss.hpp"
#include "tests/contract/staged_under_test.hpp"

int main(int argc, char** argv) {
  lockstep::contract::lose_a_peer<lockstep::contract::StagedUnderTest>(argc, argv);
}
