// The staged transport for the contract tests, on a real GPU or on the double: all ranks share the first one.
#pragma once

#include <cuda_runtime_api.h>

#include <memory>
#include <new>
#include <string>

#include "collectives/gpu.hpp"
#include "collectives/staged_transport.hpp"

namespace lockstep::contract {

class StagedUnderTest {
 public:
  explicit StagedUnderTest(std::chrono::milliseconds deadline)
      : host_(MPI_COMM_WORLD, deadline), transport_(host_, 0) {}

  static std::string reason_to_skip() { return gpu_count() > 0 ? "" : "needs a GPU (" + why_no_gpu() + ")"; }

  Transport& transport() { return transport_; }
  MpiTransport& host() { return host_; }
  std::shared_ptr<void> allocate(std::size_t bytes) {
    void* memory = nullptr;
    if (cudaMalloc(&memory, bytes) != cudaSuccess) throw std::bad_alloc();
    return {memory, cudaFree};
  }

 private:
  MpiTransport host_;
  StagedTransport transport_;
};

}  // namespace lockstep::contract
