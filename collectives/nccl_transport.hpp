// Point-to-point messages over NCCL, sums on the GPU.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "collectives/gpu_fault.hpp"
#include "collectives/gradient_format.hpp"
#include "collectives/mpi_transport.hpp"
#include "collectives/transport.hpp"

struct ncclComm;     // of nccl.h
struct CUstream_st;  // of cuda_runtime_api.h
struct CUevent_st;

namespace lockstep {

/// The memory is device memory of one GPU. Every wait is bounded: the end of a peer on this host is noticed
/// within about 50 ms, as by the host transport, an error that NCCL reports at once, and any other peer that
/// does not answer, when the deadline of the call has passed. NCCL says nothing of single messages, so that
/// this last error names every peer of the exchange.
///
/// Everything that is a Transport's runs on one stream of its own, an ordinary (blocking) one: by the rules
/// of CUDA it waits for all work that was given to the legacy default stream before, and work given to that
/// later waits for it. The legacy default stream is where LibTorch computes, so neither needs to be
/// synchronised by hand; this does not hold for LibTorch's pool streams. For the same reason add_tree()
/// returns when the additions are under way. What goes on beside the computing has a second stream, which
/// waits for nothing but what follow() names, and nothing waits for it but finish_beside(). Use from the
/// thread that made it.
class NcclTransport final : public Transport {
 public:
  /// Collective over the ranks of `host`, which must outlive this transport and carries what the ranks need
  /// to find one another. `device` is this rank's GPU, a different one for each rank of a host; it becomes
  /// the thread's current one. `deadline` bounds the connecting and every exchange. Throws CollectiveError;
  /// Error with ExitCode::config when the GPU cannot be used. Every function throws GpuFailure when this
  /// rank's GPU fails, after which the transport is lost like after a CollectiveError.
  NcclTransport(MpiTransport& host, int device, std::chrono::milliseconds deadline);
  /// Collective: waits until all ranks are done with NCCL. After a failure, or while an exception passes, it
  /// waits for nobody, and leaves the memory to the end of the process: to free it would wait for the GPU.
  ~NcclTransport() override;

  int rank() const override { return host_.rank(); }
  int world_size() const override { return host_.world_size(); }
  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override;
  /// One kernel for every 256 pieces.
  void add_tree(std::span<const float* const> pieces, std::span<const Merge> merges, float* sum,
                std::int64_t count) override;
  void finish_computing() override;
  /// ncclAllGather where all ranges are of one size and lie in rank order, else a group of ncclBroadcast.
  bool gather_in_place(void* buffer, std::span<const Range> byte_ranges) override;
  /// Throws Error with ExitCode::out_of_memory when the GPU has no such memory left.
  void* scratch(std::size_t bytes) override;
  void copy(void* to, const void* from, std::size_t bytes) override;
  void check_peers() override;
  std::string name() const override { return "nccl"; }

  /// Notes what the legacy default stream has been given to compute so far as `mark`: 0, 1, ... Not
  /// collective; any thread may call it, one at a time.
  void mark_computed(std::size_t mark);
  /// What is given beside from now on begins when `mark` is computed. Not collective.
  void follow(std::size_t mark);
  /// Collective, as exchange(), but returns when the GPU has been given the messages. Throws CollectiveError.
  void exchange_beside(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming);
  /// Gives the GPU what launch_encode() does.
  void encode_beside(const float* values, std::uint16_t* codes, GradientFormat format, std::int64_t count);
  /// add_tree() of pieces in `format`, every sum rounded to it. reserve_sums() must have been called.
  void add_tree_beside(std::span<const void* const> pieces, std::span<const Merge> merges, float* sum,
                       std::int64_t count, GradientFormat format);
  /// Collective: returns when all that was given beside is done. Throws CollectiveError.
  void finish_beside();
  /// As scratch(), for what goes on beside.
  void* memory_beside(std::size_t bytes);
  /// Room for sums of so many pieces of `count` elements: to take it later could wait for peers without a
  /// deadline. As scratch() else.
  void reserve_sums(std::int64_t pieces, std::int64_t count);

  /// Bounds every exchange from now on.
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }

 private:
  struct Memory {  ///< of the GPU; grows, and is never given back
    void* data = nullptr;
    std::size_t bytes = 0;
  };

  void* at_least(std::size_t bytes, Memory& memory);
  void await_all_ranks(const char* activity);
  bool start_exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming,
                      CUstream_st* stream);
  void start_tree_sum(std::span<const void* const> pieces, std::span<const Merge> merges, float* sum,
                      std::int64_t count, GradientFormat format, CUstream_st* stream);
  void wait_for_peers(CUstream_st* stream);
  void wait(CUstream_st* stream);
  bool is_ready(CUstream_st* stream);
  void check_nccl(int result);                      // an ncclResult_t
  void check_cuda(int result, const char* action);  // a cudaError_t
  void abort();
  [[noreturn]] void fail_with_gpu(const GpuFailure& failure);
  [[noreturn]] void fail(const std::string& problem, const std::string& why);

  MpiTransport& host_;
  int device_;
  std::string address_;  // of the device, on the PCI bus
  std::chrono::milliseconds deadline_;
  int exceptions_at_start_;
  bool failed_ = false;
  ncclComm* communicator_ = nullptr;
  CUstream_st *stream_ = nullptr, *beside_ = nullptr;
  std::vector<CUevent_st*> marks_;
  const char* activity_ = "";  // what is under way, for messages
  std::vector<int> awaited_;   // the peers of what is under way
  Memory scratch_;
  Memory rest_;  // of sums that take several kernels
  Memory beside_memory_;
};

}  // namespace lockstep
