// What a run no longer uses: RUN/status/set_aside.json.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/gpu_health.hpp"

namespace lockstep {

/// A host whose ranks compute wrong.
struct HostAside {
  std::string host;
  int rank = 0;
  std::int64_t step = 0;  ///< that was under way, from 1
  std::string why;
};

/// A GPU that has failed.
struct GpuAside {
  std::string host, uuid, address;
  int rank = 0;
  std::int64_t step = 0;  ///< that was under way, from 1
  std::string why;
  std::vector<std::string> host_gpus;  ///< as in RankGpu, of all ranks of the host together
  std::string shown;                   ///< as in RankGpu
  bool shown_alone = false;            ///< the rank was shown this GPU only
  std::string launched_as;             ///< what the launcher called the host, "localhost"; empty: not known

  const std::string& name() const { return uuid.empty() ? address : uuid; }
};

/// In the order in which they were set aside.
struct SetAside {
  std::vector<HostAside> hosts;
  std::vector<GpuAside> gpus;
  bool damaged = false;  ///< there was something in the file that is no entry; it is passed over

  /// The entry of the GPU `name` of `host`; null where it may be used.
  const GpuAside* gpu(const std::string& host, const std::string& name) const;
  /// How many GPUs are left of each host that has lost some.
  std::map<std::string, int> gpus_left() const;
  /// What CUDA_VISIBLE_DEVICES must be on `host`, where it is `shown`, for a program not to touch the GPUs
  /// that failed there: a lost one can keep CUDA from starting. Nothing where it need not change, or what it
  /// would be is not known; nor where each rank is shown a GPU of its own, which is for others to change.
  std::optional<std::string> visible_devices(const std::string& host, const std::string& shown) const;
};

/// The file's path.
std::string set_aside_file(const std::string& run);
/// Its text; empty where there is none. Never throws.
std::string read_set_aside_text(const std::string& run);
/// The entries that can be read.
SetAside set_aside_in(const std::string& text);
/// What to tell of a damaged file; empty where it is sound.
std::string doubt_about(const SetAside& aside, const std::string& run);
/// Adds to the file, which keeps what it has; a damaged one is kept beside it. Throws Error (io).
void add_to_set_aside(const std::string& run, const SetAside& more);

}  // namespace lockstep
