#include "worker/check/disk.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <map>
#include <random>

#include "collectives/broadcast.hpp"
#include "worker/files/file.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

/// A folder that is made as far as it is missing, and what was made removed again, as far as it is empty.
class FolderForNow {
 public:
  explicit FolderForNow(const fs::path& path) {
    std::error_code failure;
    for (auto at = path; !at.empty() && !fs::exists(at, failure); at = at.parent_path()) made_.push_back(at);
    fs::create_directories(path, failure);
    if (failure) throw file_error("cannot create the run folder", path, failure.value());
  }
  ~FolderForNow() {
    std::error_code ignored;
    for (const auto& path : made_) fs::remove(path, ignored);
  }
  FolderForNow(const FolderForNow&) = delete;
  FolderForNow& operator=(const FolderForNow&) = delete;

 private:
  std::vector<fs::path> made_;  ///< the innermost first
};

std::string some_name() {
  std::random_device random;
  char text[32];
  std::snprintf(text, sizeof text, ".check-%08x%08x-", random(), random());
  return text;
}

/// The file of one host, removed at the end of this.
class Mark {
 public:
  Mark(const std::string& path, const std::string& text) : path_(path) {
    write_file(path + ".writing", text);
    if (rename((path + ".writing").c_str(), path.c_str()) != 0) {
      const int error = errno;
      unlink((path + ".writing").c_str());
      throw file_error("cannot rename a file in", path, error);
    }
    sync_folder(fs::path(path).parent_path());
  }
  ~Mark() { unlink(path_.c_str()); }
  Mark(const Mark&) = delete;
  Mark& operator=(const Mark&) = delete;

 private:
  std::string path_;
};

bool can_read(const std::string& path, const std::string& text) {
  try {
    return fs::exists(path) && read_file(path) == text;
  } catch (const Error&) {
    return false;
  }
}

std::int64_t free_bytes(const std::string& path) {
  struct statvfs system {};
  if (statvfs(path.c_str(), &system) != 0 || system.f_blocks == 0) return -1;
  return static_cast<std::int64_t>((geteuid() == 0 ? system.f_bfree : system.f_bavail) * system.f_frsize);
}

/// Of all files below `path`.
std::int64_t bytes_in(const fs::path& path) {
  std::int64_t bytes = 0;
  std::error_code ignored;
  for (const auto& item : fs::recursive_directory_iterator(path, ignored)) {
    if (const auto size = item.is_regular_file(ignored) ? item.file_size(ignored) : 0; !ignored)
      bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

std::string in_gib(std::int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

/// A host's part of the check: an error of its own, or which hosts' files it sees.
struct Look {
  std::string error;
  std::vector<int> seen;
  std::int64_t free = -1;
};

/// The hosts that see other files than most do.
std::vector<std::string> hosts_apart(const std::vector<CheckedHost>& hosts, const std::vector<Look>& looks) {
  std::map<std::vector<int>, int> hosts_that_see;
  for (const auto& look : looks) ++hosts_that_see[look.seen];
  const auto usual = std::ranges::max_element(hosts_that_see, {}, [](const auto& item) {
                       return std::pair(item.second, item.first.size());
                     })->first;
  std::vector<std::string> apart;
  for (std::size_t i = 0; i < looks.size(); ++i)
    if (looks[i].error.empty() && looks[i].seen != usual) apart.push_back(hosts[i].name);
  return apart;
}

Look look_around(MpiTransport& transport, const std::vector<CheckedHost>& hosts, const std::string& path) {
  Look look;
  const int own = host_spoken_for(hosts, transport.rank());
  const auto prefix = path + "/" + gather_texts(transport, some_name()).front();
  std::unique_ptr<FolderForNow> folder;
  std::unique_ptr<Mark> mark;
  const auto prepare = [&] {
    try {
      folder = std::make_unique<FolderForNow>(path);
      mark = std::make_unique<Mark>(prefix + std::to_string(own), prefix + hosts[own].name);
    } catch (const Error& error) {
      look.error = error.what();
    }
  };
  if (own == 0) prepare();  // so that one host alone makes the folder where they share it
  barrier(transport);
  if (own > 0) prepare();
  barrier(transport);
  if (own >= 0) {
    look.free = free_bytes(path);
    for (int i = 0; i < static_cast<int>(hosts.size()); ++i)
      if (can_read(prefix + std::to_string(i), prefix + hosts[i].name)) look.seen.push_back(i);
  }
  barrier(transport);
  mark.reset();
  barrier(transport);
  return look;
}

}  // namespace

CheckResult check_run_folder(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                             const std::string& path, std::int64_t bytes_needed) {
  const bool speaks = host_spoken_for(hosts, transport.rank()) >= 0;
  const auto kept = speaks ? bytes_in(path + "/checkpoint") : 0;
  const auto own = look_around(transport, hosts, path);
  const auto all =
      gather_json(transport, {{"error", own.error}, {"seen", own.seen}, {"free", own.free}, {"kept", kept}});
  CheckResult finding{"run folder", path};
  std::vector<Look> looks;
  auto& list = finding.numbers["hosts"] = json::array();
  for (const auto& host : hosts) {
    const auto& item = all[static_cast<std::size_t>(host.ranks[0])];
    looks.push_back({item["error"], item["seen"], item["free"]});
    const auto& look = looks.back();
    if (!look.error.empty()) finding.fail(host.name + ": " + look.error);
    list.push_back({{"host", host.name}, {"free_bytes", look.free}});
    const auto room = look.free + item["kept"].get<std::int64_t>();
    if (look.error.empty() && look.free >= 0 && room < bytes_needed)
      finding.fail("too little is free for checkpoints, as " + host.name + " sees it (" + in_gib(room) +
                   ", and " + in_gib(bytes_needed) +
                   " are needed) free some space, lower checkpoint.keep, or choose another "
                   "--output");
  }
  finding.numbers["needed_bytes"] = bytes_needed;
  if (const auto apart = hosts_apart(hosts, looks); !apart.empty())
    finding.fail("the run folder is not one folder on all hosts (" + listed(apart) +
                 " does not see the files of the others) choose an --output on a file system that all hosts "
                 "mount");
  finding.summary += bytes_needed > 0
                         ? ": " + in_gib(looks[0].free) + " free, checkpoints take " + in_gib(bytes_needed)
                         : ": " + in_gib(looks[0].free) + " free";
  return finding;
}

}  // namespace lockstep
