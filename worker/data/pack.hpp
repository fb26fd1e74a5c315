// `lockstep pack`: writes any data set as one file that needs no decoding.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// Writes the data in `source` to the packed file `target` (docs/data_format.md); `settings` are those of the
/// section data, as "data.image_size=224". Runs in one process, without MPI. Progress goes to standard
/// output, as a bar or as JSON lines; notes on what is left out go to standard error. Throws Error (config,
/// io), which leaves `target` as it was.
void pack(const std::string& source, const std::string& target, const std::vector<std::string>& settings);

}  // namespace lockstep
