// The folder RUN/checkpoint: names, publication, and what is kept and removed there. For rank 0; nothing here
// is collective or needs the main thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace lockstep {

/// Names of the published checkpoints in `folder`, newest first. Throws Error (io) when the folder is there
/// and cannot be read.
std::vector<std::string> published_checkpoints(const std::string& folder);

/// Where the checkpoint of `step` is written before it is published.
std::string unfinished_checkpoint(const std::string& folder, std::int64_t step);
/// Removes what saves that were killed have left behind. Throws Error (io) when the folder cannot be read.
void remove_unfinished_checkpoints(const std::string& folder);
/// Creates the folder `path`. Throws Error (io) when that fails, or when less than `bytes` are free there.
void create_unfinished_checkpoint(const std::string& path, std::int64_t bytes);

/// `manifest` with its format and its own hash.
nlohmann::json sealed_manifest(nlohmann::json manifest);
/// Writes the manifest into the unfinished checkpoint of its step, whose other files are on disk, and renames
/// that. Then keeps the newest `keep` checkpoints up to this one, and sets aside newer ones: they did not
/// verify when the run was resumed. Throws Error (io).
void publish_checkpoint(const std::string& folder, const nlohmann::json& manifest, std::int64_t keep);
/// Throws Error (io) unless the manifest `path` carries its own hash and has a format that is known.
nlohmann::json read_manifest(const std::string& path);

}  // namespace lockstep
