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
#include "collectives/merge_kernel.hpp"
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
    check_cuda(cudaFree(scratch_), "free memory");
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

void NcclTransport::wait(Await what) {
  const auto end = Clock::now() + deadline_;
  for (int polls = 1; !is_ready(what); ++polls) {
    if (polls < polls_before_yield) continue;
    polls = polls_before_yield;
    sched_yield();
    check_peers();
    if (Clock::now() >= end) {
      const auto milliseconds = std::to_string(deadline_.count());
      fail("no answer within " + milliseconds + " ms from " + host_.describe_ranks(awaited_),
           std::string(activity_) + ": stopped, cut off, or busy for longer than the deadline");
    }
  }
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

void NcclTransport::merge(std::span<float* const> pieces, std::span<const Merge> merges, std::int64_t count) {
  if (count == 0) return;
  while (!merges.empty()) {
    const auto part = merges.first(std::min<std::size_t>(merges.size(), MergeBatch::capacity));
    MergeBatch batch;
    for (const auto& merge : part) {
      batch.left[batch.size] = pieces[merge.left];
      batch.right[batch.size++] = pieces[merge.right];
    }
    check_cuda(launch_merge(batch, count, stream_), "add gradients");
    merges = merges.subspan(part.size());
  }
}

void* NcclTransport::scratch(std::size_t bytes) {
  if (bytes <= scratch_bytes_) return scratch_;
  scratch_bytes_ = 0;
  check_cuda(cudaFree(std::exchange(scratch_, nullptr)), "free memory");
  const auto result = cudaMalloc(&scratch_, bytes);
  if (result == cudaErrorMemoryAllocation) {
    throw Error(ExitCode::config,
                "GPU " + std::to_string(device_) + " of " + host_.describe_rank(rank()) + " has no " +
                    std::to_string(bytes) + " bytes left to exchange gradients in",
                cudaGetErrorString(result),
                "lower training.micro_batch_size, or end what else uses this GPU");
  }
  check_cuda(result, "allocate memory");
  scratch_bytes_ = bytes;
  return scratch_;
}

void NcclTransport::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes == 0) return;
  check_cuda(cudaMemcpy(to, from, bytes, cudaMemcpyDefault), "copy");
  // Between two places on the GPU, cudaMemcpy() returns before it is done.
  check_cuda(cudaStreamSynchronize(cudaStreamLegacy), "copy");
}

}  // namespace lockstep
