// GPU memory, copied from and to host vectors.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

namespace lockstep {

/// Ends the program with status 2 if `result`, a cudaError_t, is not cudaSuccess.
inline void require(int result, const char* action) {
  if (result == cudaSuccess) return;
  std::fprintf(stderr, "the GPU failed to %s (%s)\n", action,
               cudaGetErrorString(static_cast<cudaError_t>(result)));
  std::exit(2);
}

/// A copy of host memory on the GPU.
template <typename Value>
class OnGpu {
 public:
  explicit OnGpu(const std::vector<Value>& values) : size_(values.size()) {
    require(cudaMalloc(reinterpret_cast<void**>(&data_), sizeof(Value) * size_), "allocate");
    require(cudaMemcpy(data_, values.data(), sizeof(Value) * size_, cudaMemcpyDefault), "copy");
  }
  explicit OnGpu(std::int64_t size) : OnGpu(std::vector<Value>(static_cast<std::size_t>(size))) {}
  ~OnGpu() { cudaFree(data_); }
  OnGpu(OnGpu&& other) noexcept : data_(std::exchange(other.data_, nullptr)), size_(other.size_) {}

  Value* data() const { return data_; }
  std::vector<Value> get() const {
    require(cudaDeviceSynchronize(), "compute");
    std::vector<Value> values(size_);
    require(cudaMemcpy(values.data(), data_, sizeof(Value) * size_, cudaMemcpyDefault), "copy");
    return values;
  }

 private:
  Value* data_ = nullptr;
  std::size_t size_;
};

}  // namespace lockstep
