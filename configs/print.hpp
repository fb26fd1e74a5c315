// A configuration as text: TOML for people, canonical JSON for ranks, hashes and manifests.
#pragma once

#include <string>
#include <vector>

#include "configs/load.hpp"

namespace lockstep {

/// config_version, then every section and value, each with "# from ORIGIN"; loads again to the same Config.
std::string to_toml(const ResolvedConfig& resolved);

/// Canonical: equal configurations give equal bytes (sorted keys, shortest digits that read back exactly).
/// This is what rank 0 broadcasts and what is hashed.
std::string to_json(const Config& config);

/// The inverse of to_json, exactly. Throws ConfigError if a key is missing, unknown or of another type: the
/// text then comes from another version.
Config config_from_json(const std::string& text);

/// As to_json, but only the parameters that can change the weights or the figures of a run; no names,
/// folders, intervals of logging, evaluation and saving, nor timeouts.
std::string result_json(const Config& config);

/// The parameters of result_json in which the two differ, as "training.batch_size: 32 -> 64", in the table's
/// order.
std::vector<std::string> differing_keys(const Config& a, const Config& b);

}  // namespace lockstep
