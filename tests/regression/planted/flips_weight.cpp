// A planted mistake, for the tests of the audit: replaces collectives/host_all_gather.cpp, for ranks that
// share no memory, and flips a bit of what the rank LOCKSTEP_FLIP_WEIGHT has received from the rank before
// it, like failing memory.
#include <cstdlib>
#include <string>

#include "collectives/all_gather.hpp"

namespace lockstep {

void all_gather(HostMemory& host, void* buffer, std::span<const Range> byte_ranges) {
  auto& transport = host.transport();
  all_gather(transport, buffer, byte_ranges);
  const char* flips = std::getenv("LOCKSTEP_FLIP_WEIGHT");
  if (flips == nullptr || std::to_string(transport.rank()) != flips) return;
  const auto& theirs = byte_ranges[(transport.rank() + transport.world_size() - 1) % transport.world_size()];
  static_cast<unsigned char*>(buffer)[theirs.begin] ^= 1;
}

}  // namespace lockstep
