#include "file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace lockstep::fuzz {
namespace {

namespace fs = std::filesystem;

void fill(int file, Bytes bytes) {
  if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    broken("cannot write a scratch file");
}

}  // namespace

MemoryFile::MemoryFile(Bytes bytes)
    : file_(memfd_create("fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(file_)) {
  fill(file_, bytes);
}

MemoryFile::~MemoryFile() { close(file_); }

const std::string& scratch_folder() {
  static const std::string folder = [] {
    auto path = (fs::temp_directory_path() / "lockstep-fuzz-XXXXXX").string();
    if (!mkdtemp(path.data())) broken("cannot make the scratch folder " + path);
    return path;
  }();
  static const int registered = std::atexit([] { fs::remove_all(scratch_folder()); });
  (void)registered;
  return folder;
}

void write(const std::string& path, Bytes bytes) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  fill(file, bytes);
  close(file);
}

}  // namespace lockstep::fuzz
