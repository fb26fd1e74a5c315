// Resumes from a checkpoint, RUN/checkpoint/step-NNNNNNNN/, on any number of ranks. The format is described
// in docs/checkpoint_format.md; saving.hpp writes it.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "collectives/transport.hpp"
#include "worker/state/state.hpp"

namespace lockstep {

/// Collective: fills `state` from the checkpoint in `folder` itself, and verifies every hash. Returns its
/// manifest. Throws Error (io) on all ranks if it does not verify; `state` is then unusable. Throws
/// CollectiveError.
nlohmann::json load_checkpoint(Transport& transport, TrainingState& state, const std::string& folder);

/// Collective: fills `state` from the newest checkpoint under `folder` that verifies: sizes, headers, the
/// hash of every block, the state hash. One that does not is skipped with a warning. Returns the manifest, or
/// nothing if there is no checkpoint at all. Throws Error (io) if there are checkpoints but none verifies,
/// CollectiveError.
std::optional<nlohmann::json> load_newest_checkpoint(Transport& transport, TrainingState& state,
                                                     const std::string& folder);

}  // namespace lockstep
