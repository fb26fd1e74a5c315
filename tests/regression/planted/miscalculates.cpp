// A planted fault, for the tests of `lockstep check`: replaces worker/check/leaf_bits.cpp and gives one rank,
// or all ranks of one host, other bits than the rest, like a faulty processor. MISCALCULATES_ON names the
// host or the rank; with "now and then" after it, the first result is the only wrong one.
#include <cstdlib>
#include <string>

#include "common/log.hpp"
#include "worker/check/leaf_bits.hpp"

namespace lockstep {
namespace {

bool is_here(const std::string& place) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  return place == host_name() || (rank && place == rank);
}

}  // namespace

Hash128 hash_of_leaves(const std::vector<at::Tensor>& leaves) {
  static int calls = 0;
  const char* fault = std::getenv("MISCALCULATES_ON");
  std::string place = fault ? fault : "";
  const auto blank = place.find(' ');
  const bool now_and_then = blank != std::string::npos;
  if (now_and_then) place.resize(blank);
  const bool wrong = is_here(place) && (!now_and_then || calls++ == 0);
  std::vector<Hash128> hashes;
  for (const auto& leaf : leaves) {
    auto values = leaf.contiguous().clone();
    if (wrong && hashes.empty()) static_cast<unsigned char*>(values.data_ptr())[0] ^= 1;
    hashes.push_back(hash_bytes(values.data_ptr(), values.nbytes()));
  }
  return hash_of_hashes(hashes);
}

}  // namespace lockstep
