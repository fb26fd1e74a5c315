// The MPI transport for the contract tests.
#pragma once

#include <cstdlib>
#include <memory>
#include <string>

#include "collectives/mpi_transport.hpp"

namespace lockstep::contract {

class MpiUnderTest {
 public:
  explicit MpiUnderTest(std::chrono::milliseconds deadline) : transport_(MPI_COMM_WORLD, deadline) {}
  static std::string reason_to_skip() { return ""; }
  Transport& transport() { return transport_; }
  std::shared_ptr<void> allocate(std::size_t bytes) { return {std::malloc(bytes), std::free}; }

 private:
  MpiTransport transport_;
};

}  // namespace lockstep::contract
