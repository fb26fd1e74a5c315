#include "tests/contract/mpi_under_test.hpp"
#include "tests/contract/transport_contract.hpp"

namespace lockstep::contract {

INSTANTIATE_TYPED_TEST_SUITE_P(Mpi, TransportContract, MpiUnderTest);

TEST(MpiTransport, MovesMessagesThatAreLargerThanOneMpiCount) {
  MpiTransport transport(MPI_COMM_WORLD, deadline);
  if (transport.world_size() != 2) GTEST_SKIP() << "2 GiB and some seconds: on 2 ranks only";
  const std::size_t bytes = (std::size_t{1} << 30) + 5;
  std::vector<std::uint8_t> data(bytes);
  if (transport.rank() == 0) {
    for (std::size_t i = 0; i < bytes; i += 4093) data[i] = static_cast<std::uint8_t>(mixed(i));
    data.back() = 77;
  }
  broadcast(transport, data.data(), bytes, 0);
  for (std::size_t i = 0; i < bytes; i += 4093) ASSERT_EQ(data[i], static_cast<std::uint8_t>(mixed(i)));
  EXPECT_EQ(data.back(), 77);
}

}  // namespace lockstep::contract
