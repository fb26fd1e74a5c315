// The folder RUN/checkpoint: how checkpoints are named, published, kept and removed. For rank 0. Nothing here
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
/// Removes the unfinished checkpoints that killed saves have left behind. Throws Error (io) when the folder
/// cannot be read.
void remove_unfinished_checkpoints(const std::string& folder);
/// Creates the folder `path`. Throws Error (io) when that fails, or when fewer than `bytes` bytes are free
/// there.
void create_unfinished_checkpoint(const std::string& path, std::int64_t bytes);

/// `manifest` with the entries format and manifest_hash added.
nlohmann::json sealed_manifest(nlohmann::json manifest);
/// Writes the manifest into the unfinished checkpoint of its step, whose other files must be on disk already,
/// and renames the folder to its published name. Then keeps the newest `keep` checkpoints up to this one and
/// removes older ones. Newer ones failed verification when the run was resumed: they are renamed to
/// NAME.damaged. Throws Error (io).
void publish_checkpoint(const std::string& folder, const nlohmann::json& manifest, std::int64_t keep);
/// The manifest in the file `path`. Throws Error (io) unless its hash and text are as they were written and
/// its format is known.
nlohmann::json read_manifest(const std::string& path);

}  // namespace lockstep
