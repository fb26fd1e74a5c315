#include "collectives/mpi_transport.hpp"

#include <sched.h>

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

#include "collectives/add_tree.hpp"
#include "collectives/pending_messages.hpp"

namespace lockstep {
namespace {

/// Longer messages go in parts, those of all peers in turn, which share a link between hosts more evenly
/// (decision 019).
constexpr std::size_t part_bytes = std::size_t{1} << 18;
constexpr int tag = 1;
constexpr std::size_t alignment = 64;  // bytes: a cache line, and the widest vector register
constexpr std::size_t ranks_named_max = 8;

}  // namespace

MpiTransport::MpiTransport(MPI_Comm communicator, std::chrono::milliseconds deadline)
    : deadline_(deadline), self_(this_process()) {
  MPI_Comm_set_errhandler(communicator, MPI_ERRORS_RETURN);
  check(MPI_Comm_rank(communicator, &rank_));
  check(MPI_Comm_size(communicator, &world_size_));
  requests_.resize(1);
  request_peers_ = {rank_};
  check(MPI_Comm_idup(communicator, &communicator_, requests_.data()));
  wait();
  MPI_Comm_set_errhandler(communicator_, MPI_ERRORS_RETURN);

  std::vector<PeerProcess> peers(world_size_);
  peers[rank_] = self_;
  std::vector<Outgoing> outgoing;
  std::vector<Incoming> incoming;
  for (int distance = 1; distance < world_size_; ++distance) {
    const int to = (rank_ + distance) % world_size_;
    const int from = (rank_ + world_size_ - distance) % world_size_;
    outgoing.push_back({to, &self_, sizeof self_});
    incoming.push_back({from, &peers[from], sizeof self_});
  }
  exchange(outgoing, incoming);
  peers_ = std::move(peers);
}

MpiTransport::~MpiTransport() {
  int finalized = 0;
  MPI_Finalized(&finalized);
  // After a failure the other ranks may be gone, and to free a communicator is a collective call.
  if (!failed_ && finalized == 0 && communicator_ != MPI_COMM_NULL) MPI_Comm_free(&communicator_);
}

void MpiTransport::exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) {
  if (outgoing.empty() && incoming.empty()) return;
  const auto start = Clock::now();
  post(outgoing, incoming);
  wait();
  time_waited_ += Clock::now() - start;
}

void MpiTransport::post(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) {
  requests_.clear();
  request_peers_.clear();
  const auto in_parts = [&](auto messages, auto&& start) {
    std::size_t longest = 0;
    for (const auto& message : messages) {
      assert(message.peer >= 0 && message.peer < world_size_ && message.peer != rank_);
      assert(message.data != nullptr || message.bytes == 0);
      longest = std::max(longest, message.bytes);
    }
    for (std::size_t offset = 0; offset < longest; offset += part_bytes) {
      for (const auto& message : messages) {
        if (offset >= message.bytes) continue;
        requests_.push_back(MPI_REQUEST_NULL);
        request_peers_.push_back(message.peer);
        const auto count = static_cast<int>(std::min(part_bytes, message.bytes - offset));
        check(start(message, offset, count, &requests_.back()));
      }
    }
  };
  in_parts(incoming, [&](const Incoming& message, std::size_t offset, int count, MPI_Request* request) {
    return MPI_Irecv(static_cast<char*>(message.data) + offset, count, MPI_BYTE, message.peer, tag,
                     communicator_, request);
  });
  in_parts(outgoing, [&](const Outgoing& message, std::size_t offset, int count, MPI_Request* request) {
    return MPI_Isend(static_cast<const char*>(message.data) + offset, count, MPI_BYTE, message.peer, tag,
                     communicator_, request);
  });
  for (const auto& message : outgoing) {
    if (message.bytes > 0) note_sent(1, static_cast<std::int64_t>(message.bytes));
  }
}

void MpiTransport::wait() {
  statuses_.resize(requests_.size());
  Patience patience(*this);
  for (;;) {
    int done = 0;
    const int error =
        MPI_Testall(static_cast<int>(requests_.size()), requests_.data(), &done, statuses_.data());
    if (error == MPI_SUCCESS && done != 0) return;
    check(error);
    patience.pause([this] { return awaited_ranks(); });
  }
}

void MpiTransport::wait_until(const std::function<bool()>& done,
                              const std::function<std::vector<int>()>& awaited) {
  if (done()) return;
  const auto start = Clock::now();
  Patience patience(*this);
  while (!done()) {
    if (patience.pause(awaited)) {  // others may wait for what MPI has not yet passed on for this rank
      int none = 0;
      check(MPI_Iprobe(MPI_ANY_SOURCE, tag, communicator_, &none, MPI_STATUS_IGNORE));
    }
  }
  note_waited(Clock::now() - start);
}

void MpiTransport::check(int mpi_error) {
  if (mpi_error == MPI_SUCCESS) return;
  auto culprits = awaited_ranks();
  if (mpi_error == MPI_ERR_IN_STATUS) {
    culprits.clear();
    for (std::size_t i = 0; i < requests_.size(); ++i) {
      const int error = statuses_[i].MPI_ERROR;
      if (error == MPI_SUCCESS || error == MPI_ERR_PENDING) continue;
      mpi_error = error;
      culprits.push_back(request_peers_[i]);
    }
  }
  fail_exchange(mpi_error, culprits);
}

void MpiTransport::fail_exchange(int mpi_error, const std::vector<int>& culprits) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  MPI_Error_string(mpi_error, text, &length);
  fail("the exchange with " + describe_ranks(culprits) + " failed", text);
}

bool MpiTransport::same_host(int rank, int other) const {
  assert(std::max(rank, other) < std::ssize(peers_));
  const auto &a = peers_[rank], &b = peers_[other];
  return std::strcmp(a.boot_id, b.boot_id) == 0 && std::strcmp(a.host, b.host) == 0 &&
         a.pid_namespace == b.pid_namespace;
}

bool MpiTransport::all_leave_within(std::chrono::milliseconds patience) {
  if (failed_) return false;
  deadline_ = patience;
  requests_.assign(1, MPI_REQUEST_NULL);
  request_peers_ = {rank_};
  try {
    check(MPI_Ibarrier(communicator_, requests_.data()));
    wait();
    return true;
  } catch (const CollectiveError&) {
    return false;
  }
}

void MpiTransport::check_peers() {
  const auto now = Clock::now();
  if (now < next_peer_check_) return;
  next_peer_check_ = now + Patience::peer_check_interval;
  fail_if_peers_ended();
}

void MpiTransport::fail_if_peers_ended() {
  std::vector<int> ended;
  for (int peer = 0; peer < static_cast<int>(peers_.size()); ++peer) {
    if (peer != rank_ && has_ended(peers_[peer], self_)) ended.push_back(peer);
  }
  if (ended.empty()) return;
  fail("lost " + describe_ranks(ended),
       "the process has ended while rank " + std::to_string(rank_) + " was waiting");
}

void MpiTransport::fail(const std::string& problem, const std::string& why) {
  failed_ = true;
  throw CollectiveError(problem, why);
}

std::vector<int> MpiTransport::awaited_ranks() {
  std::vector<int> ranks;
  for (std::size_t i = 0; i < requests_.size(); ++i) {
    int done = 0;
    if (requests_[i] != MPI_REQUEST_NULL) {
      MPI_Request_get_status(requests_[i], &done, MPI_STATUS_IGNORE);
      if (done == 0) ranks.push_back(request_peers_[i]);
    }
  }
  return ranks;
}

std::string MpiTransport::describe_rank(int rank) const {
  const auto text = "rank " + std::to_string(rank);
  return peers_.empty() ? text : text + " on " + describe(peers_[rank]);
}

std::string MpiTransport::describe_ranks(std::vector<int> ranks) const {
  std::sort(ranks.begin(), ranks.end());
  ranks.erase(std::unique(ranks.begin(), ranks.end()), ranks.end());
  if (ranks.empty() || (ranks.size() == 1 && ranks[0] == rank_)) return "the other ranks";
  std::string text;
  for (std::size_t i = 0; i < std::min(ranks.size(), ranks_named_max); ++i) {
    text += (i == 0 ? "" : ", ") + describe_rank(ranks[i]);
  }
  if (ranks.size() > ranks_named_max)
    text += " and " + std::to_string(ranks.size() - ranks_named_max) + " more";
  return text;
}

void MpiTransport::add_tree(std::span<const float* const> partial_sums, std::span<const Merge> merges,
                            float* sum, std::int64_t count, GradientFormat format) {
  lockstep::add_tree(partial_sums, merges, sum, count, format);
}

void* MpiTransport::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    scratch_.reset();
    scratch_bytes_ = (bytes + alignment - 1) / alignment * alignment;
    scratch_.reset(std::aligned_alloc(alignment, scratch_bytes_));
    if (!scratch_) throw std::bad_alloc();
  }
  return scratch_.get();
}

void MpiTransport::copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}

}  // namespace lockstep
