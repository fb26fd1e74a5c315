#include "worker/files/mapped_file.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "common/error.hpp"
#include "common/small_file.hpp"

namespace lockstep {

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const int file = open_to_read(path);
  struct stat about {};
  void* data = nullptr;
  int error_number = fstat(file, &about) != 0 ? errno : 0;
  if (error_number == 0 && about.st_size > 0) {
    data = mmap(nullptr, static_cast<std::size_t>(about.st_size), PROT_READ, MAP_SHARED, file, 0);
    if (data == MAP_FAILED) error_number = errno;
  }
  close(file);
  if (error_number != 0) throw file_error("cannot map", path, error_number);
  data_ = static_cast<const std::byte*>(data);
  size_ = static_cast<std::size_t>(about.st_size);
}

MappedFile::~MappedFile() {
  if (data_) munmap(const_cast<std::byte*>(data_), size_);
}

}  // namespace lockstep
