#include "tests/contract/mpi_under_test.hpp"
#include "tests/contract/peer_loss.hpp"

int main(int argc, char** argv) {
  lockstep::contract::lose_a_peer<lockstep::contract::MpiUnderTest>(argc, argv);
}
