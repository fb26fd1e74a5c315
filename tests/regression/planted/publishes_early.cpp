// A planted mistake, for a test of the tests: takes the place of worker/checkpoint/background.cpp and says
// that the part of a rank other than the first is on disk when it is not begun, as a program would that
// publishes a checkpoint before it has heard from all ranks.
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
