// What transports between GPUs have in common: memory, sums and copies on this rank's GPU.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "collectives/gpu_fault.hpp"
#include "collectives/gradient_format.hpp"
#include "collectives/mpi_transport.hpp"
#include "collectives/transport.hpp"

struct CUstream_st;  // of cuda_runtime_api.h

namespace lockstep {

/// Exchanges, sums and copies run on one blocking stream. CUDA orders it with the legacy default stream,
/// where LibTorch computes: each waits for what the other was given before. So neither needs explicit
/// synchronisation; this does not hold for the streams of LibTorch's pool. For the same reason add_tree()
/// returns when the additions have been launched. Use from the thread that made it. Every function throws
/// GpuFailure when this rank's GPU fails, after which the transport is unusable as after a CollectiveError,
/// and Error (out_of_memory) when the GPU has no memory left.
class GpuTransport : public Transport {
 public:
  int rank() const override { return host_.rank(); }
  int world_size() const override { return host_.world_size(); }
  /// One kernel for every 256 partial sums.
  void add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges, float* sum,
                std::int64_t count, GradientFormat format) override;
  void finish_computing() override;
  /// Throws Error with ExitCode::out_of_memory when the GPU has no such memory left.
  void* scratch(std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  /// `give_back` frees GPU memory that others hold without using it. It is called when an allocation fails,
  /// which is then tried once more.
  void when_memory_is_refused(std::function<void()> give_back) { give_back_ = std::move(give_back); }

 protected:
  struct Memory {  ///< of the GPU; grows, and is given back at the end alone
    void* data = nullptr;
    std::size_t bytes = 0;
  };

  /// `device` becomes the thread's current one. Throws Error with ExitCode::config when the GPU cannot be
  /// used.
  GpuTransport(MpiTransport& host, int device);

  void* at_least(std::size_t bytes, Memory& memory);
  void reserve_rest(std::int64_t partial_sums, std::int64_t count);
  /// Partial sums are stored as `stored`; every sum is rounded to `format`. reserve_rest() must have been
  /// called.
  void start_tree_sum(std::span<const void* const> partial_sums, GradientFormat stored,
                      std::span<const Merge> merges, float* sum, std::int64_t count, GradientFormat format,
                      CUstream_st* stream);
  void check_cuda(int result, const char* action);  // a cudaError_t
  [[noreturn]] void fail_with_gpu(const GpuFailure& failure);
  [[noreturn]] void fail(const std::string& problem, const std::string& why);
  /// Frees what this class has. Only where nothing has failed: it waits for the GPU.
  void release();

  MpiTransport& host_;
  const int device_;
  const std::string address_;  // of the device, on the PCI bus
  const int exceptions_at_start_;
  bool failed_ = false;
  CUstream_st* stream_ = nullptr;

 private:
  /// After a failure, before it is thrown.
  virtual void abort() { failed_ = true; }

  Memory scratch_;
  Memory rest_;  // of sums that take several kernels
  std::function<void()> give_back_;
};

}  // namespace lockstep
