#include "collectives/nccl_transport.hpp"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <sched.h>

#include <algorithm>
#include <cassert>
#include <exception>
#include <future>
#include <thread>
#include <utility>

#include "collectives/broadcast.hpp"
#include "collectives/nccl_reduction.hpp"
#include "collectives/pending_messages.hpp"
#include "collectives/tree_sum_kernel.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

constexpr CUstream_st* no_stream = nullptr;  // the communicator alone
constexpr int polls_before_yield = 64;       // after that the core may belong to the rank that is waited for
constexpr auto abort_patience = std::chrono::seconds(5);
constexpr auto peer_end_patience = std::chrono::milliseconds(200);  // some checks of the host transport

}  // namespace

NcclTransport::NcclTransport(MpiTransport& host, int device, std::chrono::milliseconds deadline)
    : GpuTransport(host, device), deadline_(deadline) {
  check_cuda(cudaStreamCreateWithFlags(&comm_stream_, cudaStreamNonBlocking), "make a stream");
  await_all_ranks("the connection over NCCL");
  ncclUniqueId id{};
  if (rank() == 0) check_nccl(ncclGetUniqueId(&id));
  broadcast(host_, &id, sizeof id, 0);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;  // no call may wait for a peer inside NCCL, where no deadline holds
  check_nccl(ncclCommInitRankConfig(&communicator_, world_size(), id, rank(), &config));
  wait(no_stream);
}

NcclTransport::~NcclTransport() {
  if (!failed_ && std::uncaught_exceptions() > exceptions_at_start_) abort();
  if (failed_) return;
  try {
    await_all_ranks("the end of NCCL");
    check_nccl(ncclCommFinalize(communicator_));
    wait(no_stream);
    check_nccl(ncclCommDestroy(communicator_));
    check_cuda(cudaFree(async_memory_.data), "free memory");
    for (const auto mark : marks_) check_cuda(cudaEventDestroy(mark), "end an event");
    check_cuda(cudaStreamDestroy(comm_stream_), "end a stream");
    release();
  } catch (const Error& error) {
    log_warning(error.what());
  }
}

void NcclTransport::await_all_ranks(const char* activity) {
  activity_ = activity;
  awaited_.clear();
  for (int peer = 0; peer < world_size(); ++peer) {
    if (peer != rank()) awaited_.push_back(peer);
  }
}

void NcclTransport::exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) {
  if (!start_exchange(outgoing, incoming, stream_)) return;
  wait_for_peers(stream_);
}

/// False where there is nothing to exchange.
bool NcclTransport::start_exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming,
                                   CUstream_st* stream) {
  activity_ = "the exchange over NCCL";
  awaited_.clear();
  for (const auto& message : incoming) awaited_.push_back(message.peer);
  for (const auto& message : outgoing) awaited_.push_back(message.peer);
  assert(std::ranges::all_of(awaited_,
                             [&](int peer) { return peer >= 0 && peer < world_size() && peer != rank(); }));
  if (awaited_.empty()) return false;
  check_nccl(ncclGroupStart());
  auto result = ncclSuccess;
  for (const auto& message : incoming) {
    if (message.bytes == 0 || result != ncclSuccess) continue;
    result = ncclRecv(message.data, message.bytes, ncclUint8, message.peer, communicator_, stream);
  }
  for (const auto& message : outgoing) {
    if (message.bytes == 0 || result != ncclSuccess) continue;
    result = ncclSend(message.data, message.bytes, ncclUint8, message.peer, communicator_, stream);
    note_sent(1, static_cast<std::int64_t>(message.bytes));
  }
  const auto end_result = ncclGroupEnd();
  check_nccl(result);
  check_nccl(end_result);
  return true;
}

void NcclTransport::mark_computed(std::size_t mark) {
  while (marks_.size() <= mark) {
    check_cuda(cudaEventCreateWithFlags(&marks_.emplace_back(), cudaEventDisableTiming), "make an event");
  }
  check_cuda(cudaEventRecord(marks_[mark], cudaStreamLegacy), "note what is computed");
}

void NcclTransport::follow(std::size_t mark) {
  assert(mark < marks_.size() && "mark_computed() comes first");
  check_cuda(cudaStreamWaitEvent(comm_stream_, marks_[mark], 0), "wait for what is computed");
}

void NcclTransport::exchange_async(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) {
  if (!start_exchange(outgoing, incoming, comm_stream_)) return;
  wait(no_stream);  // until NCCL has given it to the GPU: it takes no other call before
}

void NcclTransport::encode_async(const float* values, std::uint16_t* codes, GradientFormat format,
                                 std::int64_t count) {
  if (count > 0) check_cuda(launch_encode(values, codes, format, count, comm_stream_), "encode gradients");
}

void NcclTransport::finish_async() {
  await_all_ranks("the exchange over NCCL");
  wait_for_peers(comm_stream_);
}

void NcclTransport::wait_for_peers(CUstream_st* stream) {
  const auto start = Clock::now();
  wait(stream);
  time_waited_ += Clock::now() - start;
}

void NcclTransport::wait(CUstream_st* stream) {
  const auto begin = Clock::now(), end = begin + deadline_;
  bool told = false;
  for (int polls = 1; !is_ready(stream); ++polls) {
    if (polls < polls_before_yield) continue;
    polls = polls_before_yield;
    sched_yield();
    check_peers();
    const auto now = Clock::now();
    if (now >= begin + Patience::peer_check_interval && !std::exchange(told, true))
      host_.say_waiting_for(awaited_);
    if (now >= end) {
      const auto milliseconds = std::to_string(deadline_.count());
      fail("no answer within " + milliseconds + " ms from " + host_.describe_ranks(awaited_),
           std::string(activity_) + ": stopped, cut off, or busy for longer than the deadline");
    }
  }
  if (told) host_.say_waiting_for({});
}

bool NcclTransport::is_ready(CUstream_st* stream) {
  auto state = ncclSuccess;
  check_nccl(ncclCommGetAsyncError(communicator_, &state));
  check_nccl(state);
  // Until NCCL is done with the call, its kernels may not be on the stream, which would look idle.
  if (state == ncclInProgress) return false;
  if (stream == no_stream) return true;
  const auto query = cudaStreamQuery(stream);
  if (query == cudaErrorNotReady) {
    cudaGetLastError();  // clears what LibTorch would take for a failure of its own next kernel
    return false;
  }
  check_cuda(query, "exchange");
  return true;
}

void NcclTransport::check_peers() {
  try {
    host_.check_peers();
  } catch (const CollectiveError&) {
    abort();
    throw;
  }
}

void NcclTransport::check_nccl(int result) {
  if (result == ncclSuccess || result == ncclInProgress) return;
  std::string why = ncclGetErrorString(static_cast<ncclResult_t>(result));
  const char* const details = ncclGetLastError(communicator_);
  if (details != nullptr && details[0] != 0) why += std::string(": ") + details;
  const bool has_no_memory = why.find("out of memory") != std::string::npos;
  const int error = has_no_memory ? cudaErrorMemoryAllocation : cudaPeekAtLastError();
  const auto gpu = "GPU " + std::to_string(device_) + " of " + host_.describe_rank(rank());
  if (const auto refused = refused_gpu_memory(error, gpu, "start " + std::string(activity_))) {
    abort();
    throw *refused;
  }
  if (const auto fault = gpu_fault_now(address_)) fail_with_gpu(*fault);
  // NCCL may notice the end of a process before the host transport does, but only that one knows whose it
  // was.
  for (const auto end = Clock::now() + peer_end_patience; Clock::now() < end; sched_yield()) check_peers();
  fail(std::string(activity_) + " with " + host_.describe_ranks(awaited_) + " failed", why);
}

void NcclTransport::abort() {
  failed_ = true;
  if (communicator_ == nullptr) return;
  // A thread of its own, because ncclCommAbort() can wait for the other ranks of the host (NVIDIA/nccl issue
  // 863) and for the GPU. Whatever it returns, there is nothing left to do about it.
  std::packaged_task<void()> task([communicator = std::exchange(communicator_, nullptr), device = device_] {
    if (cudaSetDevice(device) == cudaSuccess) ncclCommAbort(communicator);
  });
  const auto done = task.get_future();
  std::thread(std::move(task)).detach();
  done.wait_for(std::min<std::chrono::milliseconds>(deadline_, abort_patience));
}

void NcclTransport::add_tree_async(std::span<const void* const> partial_sums, std::span<const Merge> merges,
                                   float* sum, std::int64_t count, GradientFormat format) {
  start_tree_sum(partial_sums, format, merges, sum, count, format, comm_stream_);
}

bool NcclTransport::gather_in_place(void* buffer, std::span<const Range> byte_ranges) {
  assert(std::ssize(byte_ranges) == world_size());
  await_all_ranks("the gathering over NCCL");
  if (awaited_.empty()) return true;
  auto* const bytes = static_cast<std::byte*>(buffer) + byte_ranges[0].begin;
  const auto size = byte_ranges[0].size();
  bool even = true;
  for (int r = 0; r < world_size(); ++r) {
    even = even && byte_ranges[r].size() == size && byte_ranges[r].begin == byte_ranges[0].begin + r * size;
  }
  auto result = ncclSuccess;
  check_nccl(ncclGroupStart());
  if (even && size > 0) {
    result = ncclAllGather(bytes + rank() * size, bytes, size, ncclUint8, communicator_, stream_);
  }
  for (int root = 0; root < world_size() && !even && result == ncclSuccess; ++root) {
    const auto& range = byte_ranges[root];
    auto* const part = static_cast<std::byte*>(buffer) + range.begin;
    if (range.size() == 0) continue;
    result = ncclBroadcast(part, part, range.size(), ncclUint8, root, communicator_, stream_);
  }
  const auto end_result = ncclGroupEnd();
  check_nccl(result);
  check_nccl(end_result);
  // NCCL chooses the way; this is what the others get of this rank.
  if (const auto own = byte_ranges[rank()].size(); own > 0) note_sent(std::ssize(awaited_), own);
  wait_for_peers(stream_);
  return true;
}

std::unique_ptr<Reduction> NcclTransport::make_reduction(ReductionShape shape) {
  auto reduction = std::make_unique<NcclReduction>(*this, std::move(shape));
  barrier(host_);  // a rank without memory for it has left: here it is missed at once
  reduction->connect();
  return reduction;
}

void* NcclTransport::async_memory(std::size_t bytes) { return at_least(bytes, async_memory_); }

}  // namespace lockstep
