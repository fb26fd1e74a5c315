#include "collectives/host_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <utility>

#include "collectives/all_gather.hpp"

namespace lockstep {
namespace {

constexpr std::size_t huge_page = std::size_t{2} << 20;

/// How a peer of the same host reaches memory: the leader's process and its file descriptor.
struct Handle {
  std::int64_t pid;
  std::int32_t file;   // -1: there is none
  std::int32_t error;  // an errno, or 0
};

/// Memory without a name, in huge pages if the system has such set aside, closed on exec.
int create_memory(std::size_t bytes) {
  for (const unsigned flags : {MFD_CLOEXEC | MFD_HUGETLB, MFD_CLOEXEC + 0U}) {
    const int file = memfd_create("lockstep", flags);
    if (file < 0) continue;
    // A mapping is what reserves huge pages; without them it fails here, not at a later touch.
    void* probe = ftruncate(file, static_cast<off_t>(bytes)) == 0
                      ? mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
                      : MAP_FAILED;
    if (probe != MAP_FAILED) {
      munmap(probe, bytes);
      return file;
    }
    const int error = errno;
    close(file);
    errno = error;
  }
  return -1;
}

SharedBlock map(int file, std::size_t bytes) {
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  if (data == MAP_FAILED) return {};
  madvise(data, bytes, MADV_HUGEPAGE);  // where they are not set aside, but given on demand
  return {static_cast<std::byte*>(data), bytes};
}

int open_of_peer(const Handle& handle) {
  const auto path = "/proc/" + std::to_string(handle.pid) + "/fd/" + std::to_string(handle.file);
  return open(path.c_str(), O_RDWR | O_CLOEXEC);
}

}  // namespace

SharedBlock::SharedBlock(SharedBlock&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

SharedBlock& SharedBlock::operator=(SharedBlock&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

SharedBlock::~SharedBlock() {
  if (data_) munmap(data_, size_);
}

/// What one rank tells the others of its group, on a cache line of its own.
struct alignas(128) HostMemory::Control {
  std::atomic<std::uint64_t> barriers;
};

HostMemory::HostMemory(MpiTransport& transport, bool share)
    : HostMemory(transport, [&](int rank, int other) { return share && transport.same_host(rank, other); }) {}

HostMemory::HostMemory(MpiTransport& transport, const std::function<bool(int, int)>& together)
    : transport_(transport) {
  find_groups(together);
  share();
}

void HostMemory::share() {
  std::string failure;
  try {
    controls_ = allocate(sizeof(Control) * static_cast<std::size_t>(local_size()));
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error& error) {
    failure = error.what();
  }
  // All ranks must know of every group whether it shares.
  const char shares = failure.empty() ? 1 : 0;
  const auto all = gather_bytes(transport_, std::as_bytes(std::span(&shares, 1)));
  std::vector<RankGroup> groups;
  for (const auto& group : groups_) {
    const bool together = std::ranges::all_of(std::span(all).subspan(group.first, group.size),
                                              [](const auto& told) { return told.front() == std::byte{1}; });
    if (together) groups.push_back(group);
    for (int r = 0; r < group.size && !together; ++r) groups.push_back({group.first + r, 1});
  }
  groups_ = std::move(groups);
  const auto own = std::ranges::find_if(groups_, [&](const auto& g) { return g.has(transport_.rank()); });
  own_group_ = static_cast<std::size_t>(own - groups_.begin());
  if (!failure.empty()) why_not_ = failure;
}

void HostMemory::find_groups(const std::function<bool(int, int)>& together) {
  bool scattered = false;  // a host occurs in more than one group
  for (int rank = 0; rank < transport_.world_size(); ++rank) {
    if (rank > 0 && together(rank - 1, rank)) {
      ++groups_.back().size;
    } else {
      for (const auto& group : groups_) scattered |= together(group.first, rank);
      groups_.push_back({rank, 1});
    }
    if (rank == transport_.rank()) own_group_ = groups_.size() - 1;
  }
  if (scattered) {
    why_not_ =
        "the ranks of a host are not numbered one after another; start them with mpirun --map-by slot or "
        "srun --distribution=block";
  }
}

const RankGroup& HostMemory::group_of(int rank) const {
  assert(rank >= 0 && rank < transport_.world_size());
  return *std::ranges::find_if(groups_, [&](const auto& group) { return group.has(rank); });
}

HostMemory::Control& HostMemory::control(int local_rank) const {
  assert(local_rank >= 0 && local_rank < local_size());
  return reinterpret_cast<Control*>(controls_.data())[local_rank];
}

SharedBlock HostMemory::allocate(std::size_t bytes) {
  bytes = (std::max<std::size_t>(bytes, 1) + huge_page - 1) / huge_page * huge_page;
  const int leader = group().first;
  Handle handle{getpid(), -1, 0};
  const auto to_others = [&](const void* data, std::size_t size) {
    std::vector<Outgoing> outgoing;
    for (int r = 1; r < local_size(); ++r) outgoing.push_back({leader + r, data, size});
    transport_.exchange(outgoing, {});
  };
  const auto from = [&](int rank, void* data, std::size_t size) {
    const Incoming incoming{rank, data, size};
    transport_.exchange({}, {&incoming, 1});
  };
  // The leader makes it, the others open it through /proc; then all say how it went, because the leader may
  // close its descriptor only then, and because all must come to the same end.
  SharedBlock block;
  const bool leads = local_rank() == 0;
  if (leads) {
    handle.file = create_memory(bytes);
    if (handle.file < 0) handle.error = errno;
    to_others(&handle, sizeof handle);
  } else {
    from(leader, &handle, sizeof handle);
  }
  std::int32_t error = handle.error;
  if (handle.file >= 0) {
    const int file = leads ? handle.file : open_of_peer(handle);
    if (file >= 0) block = map(file, bytes);
    if (!block.data()) error = errno;
    if (file >= 0 && !leads) close(file);
  }
  if (leads) {
    for (int r = 1; r < local_size(); ++r) {
      std::int32_t theirs = 0;
      from(leader + r, &theirs, sizeof theirs);
      if (error == 0) error = theirs;
    }
    to_others(&error, sizeof error);
    if (handle.file >= 0) close(handle.file);
  } else {
    const Outgoing mine{leader, &error, sizeof error};
    transport_.exchange({&mine, 1}, {});
    from(leader, &error, sizeof error);
  }
  if (error == 0) return block;
  throw Error(ExitCode::config, "the ranks of " + transport_.host_of(leader) + " cannot share memory",
              std::to_string(bytes >> 20) + " MiB: " + std::strerror(error),
              "free memory, or set distributed.shared_memory = false, which is slower");
}

void HostMemory::barrier() {
  if (!shared()) return;
  assert(control(local_rank()).barriers.load(std::memory_order_relaxed) == barriers_ &&
         "only this rank counts its barriers");
  ++barriers_;
  control(local_rank()).barriers.store(barriers_, std::memory_order_release);
  const auto has_come = [this](int r) {
    const auto theirs = control(r).barriers.load(std::memory_order_acquire);
    assert(theirs + 1 >= barriers_ && theirs <= barriers_ + 1 && "nobody is more than one barrier away");
    return theirs >= barriers_;
  };
  int next = 0;  // all before it have come
  const auto all_have = [&] {
    while (next < local_size() && has_come(next)) ++next;
    return next == local_size();
  };
  transport_.wait_until(all_have, [&] {
    std::vector<int> awaited;
    for (int r = next; r < local_size(); ++r) {
      if (!has_come(r)) awaited.push_back(group().first + r);
    }
    return awaited;
  });
}

}  // namespace lockstep
