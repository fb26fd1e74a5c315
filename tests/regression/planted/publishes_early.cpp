// A planted mistake, to test the tests: replaces worker/checkpoint/background.cpp and reports that the parts
// of all ranks but the first are on disk before they are begun, like a program that publishes a checkpoint
// before it has heard from all ranks.
#include <cstdlib>
#include <string>
#include <utility>

#include "worker/checkpoint/background.hpp"

namespace lockstep {

void Background::start(std::function<void()> action) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr || std::string(rank) == "0") action();
}

void Background::join() {}

}  // namespace lockstep
