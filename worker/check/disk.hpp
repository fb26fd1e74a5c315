// Whether checkpoints can be written into the run folder from every host.
#pragma once

#include <cstdint>
#include <string>

#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"

namespace lockstep {

/// Collective: every host writes a file into the folder `path`, syncs it and renames it, and looks for the
/// files of all others, because checkpoints are written and read like this. `bytes_needed` is compared with
/// the space that is free or in existing checkpoints there; 0: not known. Everything that was created,
/// including the folder, is removed again. Throws CollectiveError.
CheckResult check_run_folder(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                             const std::string& path, std::int64_t bytes_needed);

}  // namespace lockstep
