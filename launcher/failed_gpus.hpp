// Failed GPUs: which of them the next start leaves out, and how many ranks remain on each host.
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
  bool in_doubt = false;  ///< a kernel failed, but neither NVML nor an Xid says that the GPU is broken
};

/// The GPUs whose failure ended ranks. `hosts` are those of the ranks, in rank order; empty if all were on
/// this machine.
std::vector<FailedGpu> failed_gpus(const std::vector<RankStatus>& statuses, std::span<const Host> hosts);

/// A bug in a kernel looks like a broken GPU. So a GPU in doubt is kept after its first failure; if a second
/// GPU fails in the same way, the program is the likely cause.
class GpuDoubts {
 public:
  /// Those of `failed` that are to be left out from now on.
  std::vector<GpuAside> to_leave_out(const std::vector<FailedGpu>& failed);
  /// The GPUs in doubt, "GPU-8f6c... of n1", if there are two or more; otherwise none.
  std::vector<std::string> alike() const;

 private:
  std::map<std::string, int> failures_;
};

/// How many GPUs are left on the host that the launcher calls `word` (a name with or without its domain, an
/// address, localhost); -1 if none has failed there.
int gpus_left_on(const SetAside& aside, const std::string& word);

/// Lowers slots to the number of GPUs left, and removes hosts without any.
void lower_slots(std::vector<Host>& hosts, const SetAside& aside);

}  // namespace lockstep
