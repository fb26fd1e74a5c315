// Locks a folder for one process at a time, across all hosts that see it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

namespace lockstep {

/// Holds FOLDER/lock until it is destroyed or the process ends, in whatever way.
class FolderLock {
 public:
  /// Ways to lock; the first that the file system supports is used.
  enum class Way {
    flock,
    record,  ///< an open file description lock of fcntl()
    owner,   ///< the file FOLDER/lock.owner exists and names the process
  };
  static constexpr std::array all_ways = {Way::flock, Way::record, Way::owner};

  /// Locks what is called `folder` once the lock is held, even if folders are being renamed. Throws Error
  /// (config) if another process holds the lock, and Error (io) if that cannot be determined.
  explicit FolderLock(const std::string& folder, std::span<const Way> ways = all_ways);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// To be called before _exit(): removes lock.owner, which would otherwise outlive the process.
  static void release_before_exit();

 private:
  bool open_and_lock(const std::string& folder, std::span<const Way> ways);
  bool lock_by(Way way, const std::string& folder);
  bool become_owner(const std::string& folder);
  bool is_still(const std::string& folder) const;
  void release();

  int folder_ = -1, file_ = -1;
  bool owns_ = false;  ///< lock.owner names this process
};

}  // namespace lockstep
