// NCCL on MPI messages.
#include <nccl.h>
#include <unistd.h>

#include <cstring>
#include <future>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "collectives/mpi.hpp"
#include "tests/support/nccl_double/communicator.hpp"
#include "tests/support/nccl_double/faults.hpp"
#include "tests/support/nccl_double/operations.hpp"

namespace {

using namespace lockstep::nccl_double;

struct Message {
  bool is_outgoing;
  void* data;
  int bytes;
  int peer;
  // The buffer that MPI reads from or receives into: after an abort, messages may still be in flight when the
  // caller's memory is gone.
  std::vector<std::byte> wire;
};

struct Group {
  std::vector<Message> messages;
  std::vector<MPI_Request> requests;
  cudaStream_t stream;
};

int group_depth = 0;
Group open_group;
ncclResult_t open_group_error = ncclSuccess;
ncclComm_t open_communicator = nullptr;

void post(ncclComm* communicator, Group& group) {
  for (auto& message : group.messages) {
    message.wire.resize(message.bytes);
    group.requests.push_back(MPI_REQUEST_NULL);
    if (message.is_outgoing) {
      std::memcpy(message.wire.data(), message.data, message.bytes);
      MPI_Isend(message.wire.data(), message.bytes, MPI_BYTE, message.peer, 0, communicator->mpi,
                &group.requests.back());
    } else {
      MPI_Irecv(message.wire.data(), message.bytes, MPI_BYTE, message.peer, 0, communicator->mpi,
                &group.requests.back());
    }
  }
}

ncclResult_t deliver(Group& group, const std::vector<MPI_Status>& statuses) {
  for (std::size_t i = 0; i < group.messages.size(); ++i) {
    auto& message = group.messages[i];
    if (message.is_outgoing) continue;
    int bytes = 0;
    MPI_Get_count(&statuses[i], MPI_BYTE, &bytes);
    if (bytes != message.bytes)
      return refuse(ncclInvalidUsage, "a message has another size than its receiver expects");
    std::memcpy(message.data, message.wire.data(), bytes);
  }
  return ncclSuccess;
}

// True if the stream may go on: all messages have arrived, or the communicator was aborted.
bool bring_on(ncclComm* communicator, Group& group) {
  if (communicator->aborted) return true;
  if (faults().silent_peers || communicator->error != ncclSuccess) return false;
  if (group.requests.empty()) post(communicator, group);
  std::vector<MPI_Status> statuses(group.requests.size());
  int done = 0;
  const int error =
      MPI_Testall(static_cast<int>(group.requests.size()), group.requests.data(), &done, statuses.data());
  if (error == MPI_SUCCESS && done == 0) return false;
  communicator->error = error == MPI_SUCCESS ? deliver(group, statuses) : ncclRemoteError;
  return communicator->error == ncclSuccess;
}

void launch(ncclComm* communicator, Group* group) {
  std::vector<Touched> memory;
  for (const auto& message : group->messages)
    memory.push_back({message.data, static_cast<std::size_t>(message.bytes), !message.is_outgoing});
  give(group->stream, memory, [=] {
    if (!bring_on(communicator, *group)) return false;
    if (!communicator->aborted) delete group;  // else MPI may still use it
    return true;
  });
}

ncclResult_t check_message(const Message& message, std::size_t count, ncclDataType_t type,
                           ncclComm_t communicator) {
  if (communicator == nullptr || communicator->aborted) return refuse(ncclInvalidArgument, "no communicator");
  if (group_depth == 0) return refuse(ncclInvalidUsage, "a message outside of a group can wait for its peer");
  const bool is_peer =
      message.peer >= 0 && message.peer < communicator->world_size && message.peer != communicator->rank;
  if (!is_peer || type != ncclUint8) return refuse(ncclInvalidArgument, "not a peer, or not bytes");
  if (count > std::numeric_limits<int>::max()) return refuse(ncclInvalidArgument, "too long for the double");
  if (!is_usable(message.data, count)) return refuse(ncclInvalidArgument, "not device memory");
  return ncclSuccess;
}

ncclResult_t add(bool is_outgoing, void* data, std::size_t count, ncclDataType_t type, int peer,
                 ncclComm_t communicator, cudaStream_t stream) {
  Message message{is_outgoing, data, static_cast<int>(count), peer, {}};
  const auto result = check_message(message, count, type, communicator);
  if (result != ncclSuccess) return open_group_error = result;
  open_communicator = communicator;
  open_group.stream = stream;
  open_group.messages.push_back(std::move(message));
  return ncclSuccess;
}

}  // namespace

std::atomic<int>& lockstep::nccl_double::aborts() {
  static std::atomic<int> aborts = 0;
  return aborts;
}

extern "C" {

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  static int made = 0;
  std::memset(id, 0, sizeof *id);
  const auto text = "process " + std::to_string(getpid()) + ", id " + std::to_string(++made);
  std::memcpy(id->internal, text.data(), text.size());
  return ncclSuccess;
}

ncclResult_t ncclCommInitRankConfig(ncclComm_t* communicator, int world_size, ncclUniqueId id, int rank,
                                    ncclConfig_t* config) {
  if (config->blocking != 0)
    return refuse(ncclInvalidUsage, "the double has only non-blocking communicators");
  auto* const made = new ncclComm;
  made->rank = rank;
  made->world_size = world_size;
  made->introductions.resize(world_size);
  auto& own = made->introductions[rank];
  own = {.id = id, .host = "", .device = current_device()};
  gethostname(own.host, sizeof own.host - 1);
  made->steps = {[=] { return introduce(made); }, [=] { return check_introductions(made); }};
  MPI_Comm_idup(MPI_COMM_WORLD, &made->mpi, &made->request);
  *communicator = made;
  return ncclInProgress;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t communicator, ncclResult_t* state) {
  if (communicator == nullptr) return ncclInvalidArgument;
  *state = faults().asynchronous_error;
  if (*state != ncclSuccess) return ncclSuccess;
  *state = faults().silent_peers ? ncclInProgress : bring_on(communicator);
  return ncclSuccess;
}

ncclResult_t ncclCommFinalize(ncclComm_t communicator) {
  communicator->finalized = true;
  MPI_Ibarrier(communicator->mpi, &communicator->request);
  return ncclInProgress;
}

ncclResult_t ncclCommDestroy(ncclComm_t communicator) {
  const bool quiescent = communicator->finalized && communicator->request == MPI_REQUEST_NULL;
  if (!quiescent) return refuse(ncclInvalidUsage, "not finalized: this could wait for a peer");
  MPI_Comm_free(&communicator->mpi);
  delete communicator;
  return ncclSuccess;
}

// Frees nothing: MPI may still use it.
ncclResult_t ncclCommAbort(ncclComm_t communicator) {
  ++aborts();
  if (faults().endless_abort) std::promise<void>().get_future().wait();
  communicator->aborted = true;
  return ncclSuccess;
}

ncclResult_t ncclGroupStart() {
  ++group_depth;
  return ncclSuccess;
}

ncclResult_t ncclGroupEnd() {
  if (--group_depth > 0) return ncclSuccess;
  const auto error = std::exchange(open_group_error, ncclSuccess);
  auto messages = std::exchange(open_group.messages, {});
  if (error != ncclSuccess || messages.empty()) return error;
  auto* const group = new Group{std::move(messages), {}, open_group.stream};
  auto* const communicator = open_communicator;
  const auto connect = [] { return ncclSuccess; };  // takes a poll, so that the stream is empty at first
  communicator->steps = {connect, [=] {
                           launch(communicator, group);
                           return ncclSuccess;
                         }};
  return ncclInProgress;
}

ncclResult_t ncclSend(const void* data, std::size_t count, ncclDataType_t type, int peer,
                      ncclComm_t communicator, cudaStream_t stream) {
  return add(true, const_cast<void*>(data), count, type, peer, communicator, stream);
}

ncclResult_t ncclRecv(void* data, std::size_t count, ncclDataType_t type, int peer, ncclComm_t communicator,
                      cudaStream_t stream) {
  return add(false, data, count, type, peer, communicator, stream);
}

ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int root,
                           ncclComm_t communicator, cudaStream_t stream) {
  if (from != to)
    return open_group_error = refuse(ncclInvalidArgument, "the double broadcasts in place only");
  if (root != communicator->rank) return add(false, to, count, type, root, communicator, stream);
  for (int peer = 0; peer < communicator->world_size; ++peer) {
    if (peer == root) continue;
    if (const auto result = add(true, to, count, type, peer, communicator, stream); result != ncclSuccess) {
      return result;
    }
  }
  return ncclSuccess;
}

ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type,
                           ncclComm_t communicator, cudaStream_t stream) {
  auto* const parts = static_cast<char*>(to);
  if (from != parts + communicator->rank * count) {
    return open_group_error = refuse(ncclInvalidArgument, "the double gathers in place only");
  }
  for (int root = 0; root < communicator->world_size; ++root) {
    auto* const part = parts + root * count;
    const auto result = ncclBroadcast(part, part, count, type, root, communicator, stream);
    if (result != ncclSuccess) return result;
  }
  return ncclSuccess;
}

const char* ncclGetErrorString(ncclResult_t result) {
  switch (result) {
    case ncclRemoteError:
      return "remote process exited or there was a network error";
    case ncclInvalidArgument:
      return "invalid argument";
    case ncclInvalidUsage:
      return "invalid usage";
    default:
      return "refused by the double of NCCL";
  }
}

const char* ncclGetLastError(ncclComm_t) { return last_error().c_str(); }

}  // extern "C"
