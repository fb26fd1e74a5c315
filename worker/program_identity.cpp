#include "worker/program_identity.hpp"

#include "collectives/mpi.hpp"
#include "common/hash.hpp"
#include "worker/data/mapped_file.hpp"

namespace lockstep {

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

}  // namespace lockstep
