// Checkpoints: RUN/checkpoint/step-NNNNNNNN/, written beside, synced, hashed, published by one rename. The
// format is described in docs/checkpoint_format.md; it knows nothing of the world size.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "collectives/transport.hpp"
#include "worker/state.hpp"

namespace lockstep {

/// Collective: writes `state` under `folder` (RUN/checkpoint), each rank its own part, and publishes it; then
/// removes all but the newest `keep`. `about` is added to the manifest (config, plan hash, data hash, build).
/// Returns the hashes. Throws Error (io) on all ranks when any of them cannot write: nothing is published
/// then, and older checkpoints stay.
StateHashes save_checkpoint(Transport& transport, const TrainingState& state, const std::string& folder,
                            std::int64_t keep, const nlohmann::json& about);

/// Collective: fills `state` from the newest checkpoint under `folder` that verifies: sizes, headers, the
/// hash of every block, the state hash. One that does not is passed over with a warning. Returns the
/// manifest, or nothing when there is no checkpoint at all. Throws Error (io) when there are checkpoints but
/// none verifies.
std::optional<nlohmann::json> load_newest_checkpoint(Transport& transport, TrainingState& state,
                                                     const std::string& folder);

}  // namespace lockstep
