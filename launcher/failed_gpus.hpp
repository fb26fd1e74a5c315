// GPUs that failed: which of them the next start does without, and how many ranks that leaves on each host.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "common/rank_status.hpp"
#include "common/set_aside.hpp"
#include "launcher/hosts.hpp"

namespace lockstep {

struct FailedGpu {
  GpuAside gpu;
  bool in_doubt =
      false;  ///< a kernel came to nothing, and neither NVML nor an Xid says that the GPU is broken
};

/// The GPUs that the ranks have left because they failed. `hosts`: where the ranks were, in rank order; empty
/// where they all were on this machine.
std::vector<FailedGpu> failed_gpus(const std::vector<RankStatus>& statuses, std::span<const Host> hosts);

/// What a mistake in a kernel does looks like a broken GPU. So a GPU in doubt is kept at its first failure; a
/// second GPU that fails so too shows that it is likely the program.
class GpuDoubts {
 public:
  /// Those of `failed` to do without from now on.
  std::vector<GpuAside> to_leave_out(const std::vector<FailedGpu>& failed);
  /// The GPUs in doubt, "GPU-8f6c... of n1", where there are two or more; else none.
  std::vector<std::string> alike() const;

 private:
  std::map<std::string, int> failures_;
};

/// How many GPUs are left on the host that the launcher calls `word` (a name, with its domain or without, an
/// address, localhost); -1 where none has failed there.
int gpus_left_on(const SetAside& aside, const std::string& word);

/// No more slots than GPUs are left; hosts without any go.
void lower_slots(std::vector<Host>& hosts, const SetAside& aside);

}  // namespace lockstep
