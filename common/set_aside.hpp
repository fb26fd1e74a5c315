// Hosts and GPUs that a run no longer uses: RUN/status/set_aside.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"

namespace lockstep {

/// A host whose ranks compute wrong results.
struct HostAside {
  std::string host;
  int rank = 0;
  std::int64_t step = 0;  ///< the step during which it was set aside, from 1
  std::string why;
};

/// A GPU that has failed.
struct GpuAside {
  std::string host, uuid, address;
  int rank = 0;
  std::int64_t step = 0;  ///< that was under way, from 1
  std::string why;
  std::vector<std::string> host_gpus;  ///< as in RankGpu, for all ranks of the host together
  std::string shown;                   ///< as in RankGpu
  bool shown_alone = false;            ///< only this GPU was visible to the rank
  std::string launched_as;  ///< the launcher's name of the host, such as "localhost"; empty if unknown

  const std::string& name() const { return uuid.empty() ? address : uuid; }
};

/// In the order in which they were set aside.
struct SetAside {
  std::vector<HostAside> hosts;
  std::vector<GpuAside> gpus;
  bool damaged = false;  ///< the file contains something that is not an entry, which is ignored

  /// The entry of the GPU `name` of `host`; null if the GPU may be used.
  const GpuAside* gpu(const std::string& host, const std::string& name) const;
  /// How many GPUs are left of each host that has lost some.
  std::map<std::string, int> gpus_left() const;
  /// The CUDA_VISIBLE_DEVICES that hides the failed GPUs of `host`, where it is `shown` now: a lost GPU can
  /// keep CUDA from starting. Nothing if it need not change, if the right value is unknown, or if each rank
  /// sees a GPU of its own, since the program that assigned those has to change that.
  std::optional<std::string> visible_devices(const std::string& host, const std::string& shown) const;
};

/// The path of the file.
std::string set_aside_file(const std::string& run);
/// The text of the file; empty if there is none. Never throws.
std::string read_set_aside_text(const std::string& run);
/// The entries that can be read.
SetAside set_aside_in(const std::string& text);
/// What to say about a damaged file; empty if it is intact.
std::string doubt_about(const SetAside& aside, const std::string& run);
/// Adds entries to the file; a damaged file is renamed and kept. Throws Error (io).
void add_to_set_aside(const std::string& run, const SetAside& more);

}  // namespace lockstep
