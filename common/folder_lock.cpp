#include "common/folder_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/proc_stat.hpp"
#include "common/small_file.hpp"
#include "common/stored_json.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr const char *lock_name = "lock", *owner_name = "lock.owner", *removal_name = "lock.removal";

/// The process that holds lock.owner. `pid` is meaningful on the same host, boot and PID namespace only.
struct Owner {
  std::string host, boot, pids;
  std::int64_t pid = 0, start = 0;
  std::string launch, job;    ///< LOCKSTEP_LAUNCH, which all starts of a launch share; Slurm's job
  std::int64_t requeues = 0;  ///< of the job

  bool operator==(const Owner&) const = default;
};
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(Owner, host, boot, pids, pid, start, launch, job, requeues)

std::int64_t start_of(std::int64_t pid) {
  const auto process = read_proc_stat(folder_of_process(pid));
  return process && process->state != 'Z' ? static_cast<std::int64_t>(process->start_ticks) : -1;
}

std::string variable(const char* name) {
  const char* const value = std::getenv(name);
  return value ? value : "";
}

Owner this_process() {
  std::string boot;
  std::getline(std::ifstream("/proc/sys/kernel/random/boot_id"), boot);
  std::error_code none;
  const auto pids = std::filesystem::read_symlink("/proc/self/ns/pid", none).string();
  return {host_name(),
          boot,
          pids,
          getpid(),
          start_of(getpid()),
          variable("LOCKSTEP_LAUNCH"),
          variable("SLURM_JOB_ID"),
          std::atoll(variable("SLURM_RESTART_COUNT").c_str())};
}

Owner owner_in(const std::string& path) {
  const auto object = stored_json(read_file(path));
  return has_types_of(object, Owner{}) ? object.get<Owner>() : Owner{};
}

/// A launch restarts its ranks, and Slurm a job, only once the earlier ones have ended, whatever hosts they
/// were on.
bool has_ended(const Owner& owner, const Owner& here) {
  if (!owner.launch.empty() && owner.launch == here.launch) return true;
  if (!owner.job.empty() && owner.job == here.job && owner.requeues < here.requeues) return true;
  if (owner.host != here.host || owner.pids != here.pids || owner.boot.empty()) return false;
  return owner.boot != here.boot || start_of(owner.pid) != owner.start;
}

Error in_use(const std::string& folder, const std::string& why, const std::string& suggestion) {
  return {ExitCode::config, "the run folder " + folder + " is in use", why, suggestion};
}

constexpr const char* wait_or_elsewhere = "wait for it to end, or choose another --output";

/// The errors of file systems that do not support such locks, or whose server refuses them.
bool has_no_such_locks(int error_number) {
  return error_number == ENOSYS || error_number == ENOLCK || error_number == EOPNOTSUPP ||
         error_number == EINVAL;
}

bool is_same(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/// Removes the file of an owner that has ended, unless another process is already doing so.
void remove_owner(int folder, const std::string& path, const Owner& ended) {
  const int removal = openat(folder, removal_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (removal < 0) return;
  close(removal);
  if (owner_in(path + "/" + owner_name) == ended) unlinkat(folder, owner_name, 0);
  unlinkat(folder, removal_name, 0);
}

/// For file systems without hard links. For a moment a reader may find the file empty.
int create_owner(int folder, const Owner& here) {
  const int file = openat(folder, owner_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return errno;
  const auto text = json(here).dump() + "\n";
  const int failure = write(file, text.data(), text.size()) == std::ssize(text) ? 0 : errno;
  close(file);
  if (failure != 0) unlinkat(folder, owner_name, 0);
  return failure;
}

FolderLock* held = nullptr;  ///< the lock of this process that has a lock.owner

}  // namespace

void FolderLock::release_before_exit() {
  if (held) held->release();
}

FolderLock::FolderLock(const std::string& folder, std::span<const Way> ways) {
  constexpr int most_moves = 100;
  try {
    for (int moves = 0; moves < most_moves; ++moves) {
      if (with_patience([&] { return open_and_lock(folder, ways); })) return;
      release();
    }
  } catch (...) {
    release();
    throw;
  }
  throw in_use(folder, "it is moved away again and again", wait_or_elsewhere);
}

FolderLock::~FolderLock() { release(); }

/// False if the folder was renamed meanwhile: the lock is then on a folder that has another name now.
bool FolderLock::open_and_lock(const std::string& folder, std::span<const Way> ways) {
  release();
  folder_ = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder_ < 0) throw FileError("cannot open", folder, errno);
  const auto path = folder + "/" + lock_name;
  file_ = openat(folder_, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
  if (file_ < 0) throw FileError("cannot create", path, errno);
  if (const auto kind = why_not_regular(path, /*follow=*/false); !kind.empty())
    throw Error(ExitCode::io, "cannot lock " + path, kind, "remove it");
  for (const auto way : ways) {
    if (lock_by(way, folder)) return is_still(folder);
  }
  throw Error(ExitCode::io, "cannot lock " + path, "the file system has no locks", "choose another --output");
}

/// False if the file system does not support such locks.
bool FolderLock::lock_by(Way way, const std::string& folder) {
  if (way == Way::owner) return become_owner(folder);
  int failed = 0;
  do {
    struct flock whole {};
    whole.l_type = F_WRLCK;
    failed = way == Way::flock ? flock(file_, LOCK_EX | LOCK_NB) : fcntl(file_, F_OFD_SETLK, &whole);
  } while (failed != 0 && errno == EINTR);
  if (failed == 0) return true;
  const auto path = folder + "/" + lock_name;
  if (errno == EWOULDBLOCK || errno == EACCES)
    throw in_use(folder, "another process holds " + path, wait_or_elsewhere);
  if (has_no_such_locks(errno)) return false;
  throw FileError("cannot lock", path, errno);
}

/// Links a complete file to lock.owner: link() is atomic across hosts, and fails if there is an owner.
bool FolderLock::become_owner(const std::string& folder) {
  const auto here = this_process();
  const auto own_name = std::string(owner_name) + "." + here.host + "." + std::to_string(here.pid);
  const auto path = folder + "/" + owner_name;
  write_file(folder + "/" + own_name, json(here).dump() + "\n");
  const auto link_it = [&] {
    return linkat(folder_, own_name.c_str(), folder_, owner_name, 0) == 0 ? 0 : errno;
  };
  int failure = link_it();
  if (failure == EEXIST) {
    const auto owner = owner_in(path);
    if (has_ended(owner, here)) {
      remove_owner(folder_, folder, owner);
      failure = link_it();
    }
  }
  struct stat own {};
  const bool linked = fstatat(folder_, own_name.c_str(), &own, 0) == 0 && own.st_nlink == 2;
  if (failure == EEXIST && linked) failure = 0;  // the server had done it, but its reply was lost
  if (failure == EPERM || has_no_such_locks(failure)) failure = create_owner(folder_, here);
  owns_ = failure == 0;
  if (owns_) held = this;
  unlinkat(folder_, own_name.c_str(), 0);
  if (failure == EEXIST) {
    const auto owner = owner_in(path);
    throw in_use(folder,
                 "process " + std::to_string(owner.pid) + " on " + owner.host + " holds " + path +
                     ", as this file system has no locks",
                 std::string(wait_or_elsewhere) + "; once that process is gone, remove " + path);
  }
  if (failure != 0) throw FileError("cannot create", path, failure);
  return true;
}

/// Whether the folder and the lock in it still have their names.
bool FolderLock::is_still(const std::string& folder) const {
  struct stat named {
  }, held{};
  if (fstat(folder_, &held) != 0 || stat(folder.c_str(), &named) != 0 || !is_same(held, named)) return false;
  return fstat(file_, &held) == 0 && fstatat(folder_, lock_name, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
         is_same(held, named);
}

void FolderLock::release() {
  if (std::exchange(owns_, false)) {
    held = nullptr;
    unlinkat(folder_, owner_name, 0);  // wherever the folder is by now
  }
  for (int* descriptor : {&file_, &folder_}) {
    if (*descriptor >= 0) close(std::exchange(*descriptor, -1));
  }
}

}  // namespace lockstep
