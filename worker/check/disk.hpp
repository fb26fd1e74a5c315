// Whether checkpoints can be written into the run folder from every host.
#pragma once

#include <cstdint>
#include <string>

#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"

namespace lockstep {

/// Collective: every host writes a file into the folder `path`, syncs it and renames it, and looks for those
/// of all others: that is how checkpoints are written and read. `bytes_needed` is compared with what is free
/// there and in the checkpoints that are there; 0: not known. What is made for this, the folder included, is
/// removed again. Throws CollectiveError.
CheckResult check_run_folder(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                             const std::string& path, std::int64_t bytes_needed);

}  // namespace lockstep
