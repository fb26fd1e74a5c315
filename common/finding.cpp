#include "common/finding.hpp"

#include <cstring>

namespace lockstep {
namespace {

/// What the driver has reported of the rank's GPU.
std::string and_xids(const RankStatus& status) {
  std::string text;
  for (const auto xid : status.gpu.health.xids) text += (text.empty() ? "" : ", ") + std::to_string(xid);
  return text.empty() ? "" : "; the driver has reported Xid " + text;
}

}  // namespace

std::string name_of(Trouble trouble) {
  switch (trouble) {
    case Trouble::dead:
      return "dead";
    case Trouble::out_of_memory:
      return "out of memory";
    case Trouble::gpu_failed:
      return "GPU failed";
    case Trouble::gpu_throttles:
      return "GPU throttles";
    case Trouble::host_lost:
      return "host lost";
    case Trouble::stopped:
      return "stopped";
    case Trouble::stuck:
      return "stuck";
    case Trouble::slow_compute:
      return "slow compute";
    case Trouble::slow_link:
      return "slow link";
  }
  return "";
}

std::string at_work(const RankStatus& status) {
  return " in " + status.phase +
         (status.phase == "start-up" || status.phase == "the end"
              ? ""
              : " of step " + std::to_string(status.step + 1));
}

Finding finding_on(Trouble trouble, const RankStatus& status, const std::string& text) {
  return {trouble,
          {status.rank},
          status.host,
          "rank " + std::to_string(status.rank) + " on " + status.host + text};
}

Finding failure_of(const RankStatus& status) {
  if (!status.gpu_failure.empty()) {
    return finding_on(Trouble::gpu_failed, status,
                      " has lost its GPU" + at_work(status) + ": " + in_words(status.gpu) + " (" +
                          status.gpu_failure + and_xids(status) + ") " + status.gpu_remedy);
  }
  if (status.out_of_memory)
    return finding_on(Trouble::out_of_memory, status, " ran out of memory" + at_work(status));
  if (status.signal != 0) {
    return finding_on(Trouble::dead, status,
                      " was ended by signal " + std::to_string(status.signal) + " (" +
                          strsignal(status.signal) + ")" + at_work(status));
  }
  return finding_on(Trouble::dead, status,
                    " left with exit code " + std::to_string(status.exit_code) + at_work(status));
}

}  // namespace lockstep
