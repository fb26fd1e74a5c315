#include "launcher/open_files.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <string>

#include "common/error.hpp"

namespace lockstep {
namespace {

// Pipes and sockets that mpirun opens: twice the number observed.
constexpr rlim_t of_mpirun = 64, of_a_rank = 8;
constexpr rlim_t usual = 4096;

}  // namespace

void require_open_files(int ranks) {
  const auto least = of_mpirun + of_a_rank * static_cast<rlim_t>(ranks);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= std::max(usual, least)) return;
  const auto before = limit.rlim_cur;
  limit.rlim_cur = std::min(limit.rlim_max, std::max(usual, least));
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) limit.rlim_cur = before;
  if (limit.rlim_cur >= least / 2) return;  // the number observed
  throw Error(ExitCode::config, "only " + std::to_string(before) + " files may be open at a time",
              std::to_string(ranks) + " ranks and mpirun need " + std::to_string(least),
              "raise the limit with `ulimit -n " + std::to_string(std::max(usual, least)) +
                  "`, or where that is refused by nofile in "
                  "/etc/security/limits.conf");
}

}  // namespace lockstep
