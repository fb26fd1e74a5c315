// A configuration as text: TOML for people, canonical JSON for ranks, hashes and manifests.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

/// config_version, then every section and value, each with "# from ORIGIN"; loading it gives the same
/// Config.
std::string to_toml(const ResolvedConfig& resolved);

/// Canonical: equal configurations give equal bytes (sorted keys, shortest digits that read back exactly).
/// Rank 0 broadcasts it, and hashes are computed over it.
std::string to_json(const Config& config);

/// The exact inverse of to_json(). Throws ConfigError if a key is missing, unknown or of another type, as in
/// a text from another version.
Config config_from_json(const std::string& text);

/// As to_json(), but only parameters that can change the weights or the metrics of a run: no names, folders,
/// timeouts, or intervals of logging, evaluation and saving.
std::string result_json(const Config& config);

/// The parameters of result_json() that differ, as "training.batch_size: 32 -> 64", in the order of the
/// table.
std::vector<std::string> differing_keys(const Config& a, const Config& b);

}  // namespace lockstep
