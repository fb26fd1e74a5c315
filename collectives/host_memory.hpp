// The ranks of one host: memory that they share, and a barrier in it.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "collectives/mpi_transport.hpp"

namespace lockstep {

/// A mapping of zero-filled memory that the ranks of a host share, on a page boundary, unmapped at the end.
/// It has no name anywhere, so nothing is left behind however the processes end.
class SharedBlock {
 public:
  SharedBlock() = default;
  /// Takes over a mapping made by mmap().
  SharedBlock(std::byte* data, std::size_t size) : data_(data), size_(size) {}
  SharedBlock(SharedBlock&& other) noexcept;
  SharedBlock& operator=(SharedBlock&& other) noexcept;
  ~SharedBlock();

  std::byte* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

/// Consecutive ranks that share memory: those of one host, or a rank by itself.
struct RankGroup {
  int first, size;
  bool has(int rank) const { return rank >= first && rank < first + size; }
};

/// The rank of `group` that exchanges messages with local rank `local` of another group.
inline int stand_in(const RankGroup& group, int local) { return group.first + local % group.size; }

/// How the ranks of a job are grouped by host, and shared memory for this rank's group. Use from one thread
/// at a time, except where it says otherwise.
class HostMemory {
 public:
  /// Collective over all ranks of `transport`, which must outlive this. With `share`, the ranks of a host
  /// share memory if the system lets them (memfd_create, and /proc/PID/fd of a peer) and their numbers are
  /// consecutive. Otherwise every rank is a group by itself. Throws CollectiveError.
  HostMemory(MpiTransport& transport, bool share);
  /// The same, but `together(rank, other)` decides who shares; for tests of several hosts on one.
  HostMemory(MpiTransport& transport, const std::function<bool(int, int)>& together);

  std::span<const RankGroup> groups() const { return groups_; }  ///< in rank order
  const RankGroup& group() const { return groups_[own_group_]; }
  const RankGroup& group_of(int rank) const;
  int local_rank() const { return transport_.rank() - group().first; }
  int local_size() const { return group().size; }
  bool shared() const { return local_size() > 1; }
  /// Why ranks of one host do not share memory, for a message; empty if they do, or if it was not asked for.
  const std::string& why_not() const { return why_not_; }
  MpiTransport& transport() const { return transport_; }

  /// Collective over the group: `bytes` bytes of zero-filled memory that all its ranks share. Pages are
  /// placed where they are first touched. Throws Error (config) when the system has no such memory;
  /// CollectiveError.
  SharedBlock allocate(std::size_t bytes);

  /// Collective over the group: returns when all its ranks have called it. What they wrote before is visible
  /// after it. Throws CollectiveError.
  void barrier();

 private:
  struct Control;
  Control& control(int local_rank) const;
  void find_groups(const std::function<bool(int, int)>& together);
  void share();

  MpiTransport& transport_;
  std::vector<RankGroup> groups_;
  std::size_t own_group_ = 0;
  std::string why_not_;
  SharedBlock controls_;
  std::uint64_t barriers_ = 0;
};

}  // namespace lockstep
