// libFuzzer's entry: fuzz_readers TARGET [OPTIONS OF LIBFUZZER] [FOLDERS AND FILES].
#include <cstdlib>

#include "common/log.hpp"
#include "target.hpp"

namespace {

const lockstep::fuzz::Target* target = nullptr;
constexpr const char* variable = "LOCKSTEP_FUZZ_TARGET";  // for the processes that libFuzzer itself starts

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  if (!std::getenv(variable) && *argc > 1) {
    setenv(variable, (*argv)[1], 0);
    for (int i = 1; i < *argc; ++i) (*argv)[i] = (*argv)[i + 1];
    --*argc;
  }
  const char* const name = std::getenv(variable);
  target = lockstep::fuzz::target_named(name ? name : "");
  if (!target) std::exit(1);
  lockstep::start_log(0, false);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  lockstep::fuzz::feed(*target, {data, size});
  return 0;
}
