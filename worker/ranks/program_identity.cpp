#include "worker/ranks/program_identity.hpp"

#include <gnu/libc-version.h>
#include <link.h>

#include <filesystem>

#include "collectives/mpi.hpp"
#include "common/build_identity.hpp"
#include "common/hash.hpp"
#include "worker/files/mapped_file.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {

namespace {

/// LibTorch's files by name and size: reading them all would take longer than a short run.
std::string torch_files() {
  std::string text;
  dl_iterate_phdr(
      [](dl_phdr_info* library, std::size_t, void* to) {
        const std::filesystem::path path(library->dlpi_name);
        const auto name = path.filename().string();
        std::error_code ignored;
        if (name.starts_with("libtorch") || name.starts_with("libc10"))
          *static_cast<std::string*>(to) +=
              ", " + name + " of " + std::to_string(std::filesystem::file_size(path, ignored)) + " bytes";
        return 0;
      },
      &text);
  return text;
}

std::string libraries() { return mpi_version() + ", glibc " + gnu_get_libc_version() + torch_files(); }

}  // namespace

std::string program_hash() {
  const MappedFile program("/proc/self/exe");
  return hash_bytes(program.bytes().data(), program.bytes().size()).hex();
}

std::string mpi_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string version(text, static_cast<std::size_t>(length));
  return version.substr(0, version.find(','));
}

void require_same_programs(Transport& transport, const std::string& arguments) {
  require_same(transport, "the build", build_identity() + ", file " + program_hash(),
               "start all ranks with the same binary");
  require_same(transport, "the libraries", libraries(), "install the same versions on all hosts");
  require_same(transport, "the command line", arguments, "start all ranks with the same arguments");
}

}  // namespace lockstep
