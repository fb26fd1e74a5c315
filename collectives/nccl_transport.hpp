// Point-to-point messages over NCCL, sums on the GPU.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "collectives/gpu_transport.hpp"

struct ncclComm;    // of nccl.h
struct CUevent_st;  // of cuda_runtime_api.h

namespace lockstep {

/// The memory is device memory of one GPU. Every wait is bounded: a peer on this host that ends is noticed
/// within about 50 ms, as by the host transport, an error that NCCL reports at once, and any other peer that
/// does not answer when the deadline of the call has passed. NCCL does not report on single messages, so this
/// last error names every peer of the exchange.
///
/// The *_async() functions give work to a communication stream. It waits only for the marks named by
/// follow(), and only finish_async() waits for it.
class NcclTransport final : public GpuTransport {
 public:
  /// Collective over the ranks of `host`, which must outlive this transport and over which NCCL is set up.
  /// `device` is this rank's GPU, a different one for each rank of a host; it becomes the thread's current
  /// one. `deadline` bounds the set-up and every exchange. Throws CollectiveError; Error (config) when the
  /// GPU cannot be used.
  NcclTransport(MpiTransport& host, int device, std::chrono::milliseconds deadline);
  /// Collective: waits until all ranks are done with NCCL. After a failure, or during stack unwinding, it
  /// waits for nobody and frees no GPU memory, which would wait for the GPU.
  ~NcclTransport() override;

  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override;
  /// ncclAllGather if all ranges have one size and lie in rank order, otherwise a group of ncclBroadcast.
  bool gather_in_place(void* buffer, std::span<const Range> byte_ranges) override;
  void check_peers() override;
  /// NcclReduction.
  std::unique_ptr<Reduction> make_reduction(ReductionShape shape) override;
  std::string name() const override { return "nccl"; }

  /// Marks the end of what the legacy default stream has been given so far as number `mark`: 0, 1, ... Not
  /// collective; any thread may call it, one at a time.
  void mark_computed(std::size_t mark);
  /// Asynchronous work given from now on begins when the GPU has reached `mark`. Not collective.
  void follow(std::size_t mark);
  /// Collective: exchange() that returns when NCCL has given the messages to the GPU. Throws CollectiveError.
  void exchange_async(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming);
  /// launch_encode() on the communication stream.
  void encode_async(const float* values, std::uint16_t* codes, GradientFormat format, std::int64_t count);
  /// add_tree() of partial sums that are stored in `format`. reserve_sums() must have been called.
  void add_tree_async(std::span<const void* const> partial_sums, std::span<const Merge> merges, float* sum,
                      std::int64_t count, GradientFormat format);
  /// Collective: returns when all asynchronous work is done. Throws CollectiveError.
  void finish_async();
  /// Like scratch(), for asynchronous work.
  void* async_memory(std::size_t bytes);
  /// Reserves memory for sums of so many partial sums of `count` elements. Allocating it later could wait for
  /// peers without a deadline.
  void reserve_sums(std::int64_t partial_sums, std::int64_t count) { reserve_rest(partial_sums, count); }

  /// Bounds every exchange from now on.
  void set_deadline(std::chrono::milliseconds deadline) { deadline_ = deadline; }

 private:
  void await_all_ranks(const char* activity);
  bool start_exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming,
                      CUstream_st* stream);
  void wait_for_peers(CUstream_st* stream);
  void wait(CUstream_st* stream);
  bool is_ready(CUstream_st* stream);
  void check_nccl(int result);  // an ncclResult_t
  void abort() override;

  std::chrono::milliseconds deadline_;
  ncclComm* communicator_ = nullptr;
  CUstream_st* comm_stream_ = nullptr;
  std::vector<CUevent_st*> marks_;
  const char* activity_ = "";  // what is under way, for messages
  std::vector<int> awaited_;   // the peers of what is under way
  Memory async_memory_;
};

}  // namespace lockstep
