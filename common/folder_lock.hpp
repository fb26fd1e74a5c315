// The lock of a folder: one process at a time, on all hosts that see it.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>

namespace lockstep {

/// Holds FOLDER/lock until it goes or the process ends, however it ends.
class FolderLock {
 public:
  /// How it is held: by the first of these that the file system has.
  enum class Way {
    flock,
    record,  ///< a lock of fcntl() that belongs to the open file
    owner,   ///< FOLDER/lock.owner exists, and says who holds it
  };
  static constexpr std::array all_ways = {Way::flock, Way::record, Way::owner};

  /// Of the folder that has the name `folder` now, also if it is being moved. Throws Error (config) where
  /// another process holds it, (io) where that cannot be told.
  explicit FolderLock(const std::string& folder, std::span<const Way> ways = all_ways);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

  /// For who leaves by _exit(): removes what else would outlive the process, lock.owner.
  static void release_before_exit();

 private:
  bool open_and_lock(const std::string& folder, std::span<const Way> ways);
  bool lock_by(Way way, const std::string& folder);
  bool become_owner(const std::string& folder);
  bool is_still(const std::string& folder) const;
  void release();

  int folder_ = -1, file_ = -1;
  bool owns_ = false;  ///< lock.owner is this process's
};

}  // namespace lockstep
