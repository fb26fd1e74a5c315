#include "collectives/nccl_transport.hpp"

#include <cuda_runtime_api.h>
#include <nccl.h>
#include <sched.h>

#include <algorithm>
#include <exception>
#include <future>
#include <thread>
#include <utility>

#include "collectives/broadcast.hpp"
#include "collectives/gpu.hpp"
#include "collectives/pending_messages.hpp"
#include "collectives/tree_sum_kernel.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

constexpr int polls_before_yield = 64;  // after that the core may belong to the rank that is waited for
constexpr auto abort_patience = std::chrono::seconds(5);
constexpr auto peer_end_patience = std::chrono::milliseconds(200);  // some checks of the host transport

}  // namespace

NcclTransport::NcclTransport(MpiTransport& host, int device, std::chrono::milliseconds deadline)
    : host_(host), device_(device), deadline_(deadline), exceptions_at_start_(std::uncaught_exceptions()) {
  select_gpu(device);
  check_cuda(cudaStreamCreate(&stream_), "make a stream");
  await_all_ranks("the connection over NCCL");
  ncclUniqueId id{};
  if (rank() == 0) check_nccl(ncclGetUniqueId(&id));
  broadcast(host_, &id, sizeof id, 0);
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;  // no call may wait for a peer inside NCCL, where no deadline holds
  check_nccl(ncclCommInitRankConfig(&communicator_, world_size(), id, rank(), &config));
  wait(Await::communicator);
}

NcclTransport::~NcclTransport() {
  if (!failed_ && std::uncaught_exceptions() > exceptions_at_start_) abort();
  if (failed_) return;
  try {
    await_all_ranks("the end of NCCL");
    check_nccl(ncclCommFinalize(communicator_));
    wait(Await::communicator);
    check_nccl(ncclCommDestroy(communicator_));
    for (const auto& memory : {scratch_, rest_}) check_cuda(cudaFree(memory.data), "free memory");
    check_cuda(cudaStreamDestroy(stream_), "end a stream");
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
  activity_ = "the exchange over NCCL";
  awaited_.clear();
  for (const auto& message : incoming) awaited_.push_back(message.peer);
  for (const auto& message : outgoing) awaited_.push_back(message.peer);
  if (awaited_.empty()) return;
  check_nccl(ncclGroupStart());
  auto result = ncclSuccess;
  for (const auto& message : incoming) {
    if (message.bytes == 0 || result != ncclSuccess) continue;
    result = ncclRecv(message.data, message.bytes, ncclUint8, message.peer, communicator_, stream_);
  }
  for (const auto& message : outgoing) {
    if (message.bytes == 0 || result != ncclSuccess) continue;
    result = ncclSend(message.data, message.bytes, ncclUint8, message.peer, communicator_, stream_);
  }
  const auto end_result = ncclGroupEnd();
  check_nccl(result);
  check_nccl(end_result);
  const auto start = Clock::now();
  wait(Await::stream);
  time_waited_ += Clock::now() - start;
}

void NcclTransport::finish_computing() { check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "compute"); }

void NcclTransport::wait(Await what) {
  const auto begin = Clock::now(), end = begin + deadline_;
  bool told = false;
  for (int polls = 1; !is_ready(what); ++polls) {
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

bool NcclTransport::is_ready(Await what) {
  auto state = ncclSuccess;
  check_nccl(ncclCommGetAsyncError(communicator_, &state));
  check_nccl(state);
  // Until NCCL is done with the call, its kernels may not be on the stream, which would look idle.
  if (state == ncclInProgress) return false;
  if (what == Await::communicator) return true;
  const auto query = cudaStreamQuery(stream_);
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
  // NCCL may notice the end of a process before the host transport does, but only that one knows whose it
  // was.
  for (const auto end = Clock::now() + peer_end_patience; Clock::now() < end; sched_yield()) check_peers();
  fail(std::string(activity_) + " with " + host_.describe_ranks(awaited_) + " failed", why);
}

void NcclTransport::check_cuda(int result, const char* action) {
  if (result == cudaSuccess) return;
  fail("GPU " + std::to_string(device_) + " of " + host_.describe_rank(rank()) + " failed to " + action,
       cudaGetErrorString(static_cast<cudaError_t>(result)));
}

void NcclTransport::fail(const std::string& problem, const std::string& why) {
  abort();
  throw CollectiveError(problem, why);
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

void NcclTransport::add_tree(std::span<const float* const> pieces, std::span<const Merge> merges, float* sum,
                             std::int64_t count) {
  const auto additions = additions_after(std::ssize(pieces), merges);
  if (count == 0 || (pieces.size() == 1 && pieces[0] == sum)) return;
  float* rest = nullptr;
  if (pieces.size() > TreeSum::capacity) {
    rest = static_cast<float*>(at_least(sizeof(float) * TreeSum::depth * count, rest_));
  }
  TreeSum launch;
  for (std::size_t next = 0, held = 0; next < pieces.size();) {
    launch.held = static_cast<std::int32_t>(held);
    launch.rest = rest;
    for (launch.size = 0; launch.size < TreeSum::capacity && next < pieces.size(); ++next, ++launch.size) {
      launch.piece[launch.size] = pieces[next];
      launch.additions[launch.size] = static_cast<std::uint8_t>(additions[next]);
      if (held - additions[next] + 1 > TreeSum::depth) throw Error(ExitCode::bug, "the tree is too deep");
      held = held - additions[next] + 1;
    }
    launch.sum = next == pieces.size() ? sum : nullptr;
    check_cuda(launch_tree_sum(launch, count, stream_), "add gradients");
  }
}

bool NcclTransport::gather_in_place(void* buffer, std::span<const Range> byte_ranges) {
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
  wait(Await::stream);
  return true;
}

void* NcclTransport::scratch(std::size_t bytes) { return at_least(bytes, scratch_); }

void* NcclTransport::at_least(std::size_t bytes, Memory& memory) {
  if (bytes <= memory.bytes) return memory.data;
  memory.bytes = 0;
  check_cuda(cudaFree(std::exchange(memory.data, nullptr)), "free memory");
  const auto result = cudaMalloc(&memory.data, bytes);
  if (result == cudaErrorMemoryAllocation) {
    throw Error(ExitCode::out_of_memory,
                "GPU " + std::to_string(device_) + " of " + host_.describe_rank(rank()) + " has no " +
                    std::to_string(bytes) + " bytes left to exchange gradients in",
                cudaGetErrorString(result),
                "lower training.micro_batch_size, or end what else uses this GPU");
  }
  check_cuda(result, "allocate memory");
  memory.bytes = bytes;
  return memory.data;
}

void NcclTransport::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "copy");
  // Between two places on the GPU, cudaMemcpy() returns before it is done.
  check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "copy");
}

}  // namespace lockstep
