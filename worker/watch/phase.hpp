// The phases of a step, by which its time is told (docs/timing.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lockstep {

enum class Phase : std::uint8_t {
  data,        ///< samples into the input of a micro-batch
  forward,     ///< of the micro-batches
  backward,    ///< of the micro-batches
  exchange,    ///< sums along the tree and new parameters to all, and all waiting for peers in a step
  update,      ///< of this rank's shard, averages included
  checkpoint,  ///< copies for a checkpoint, and waiting for it
  evaluation,
  other,
};
inline constexpr std::size_t phase_count = 8;
inline constexpr std::array<const char*, phase_count> phase_names = {
    "data", "forward", "backward", "exchange", "update", "checkpoint", "evaluation", "other"};
inline const char* phase_name(Phase phase) { return phase_names[static_cast<std::size_t>(phase)]; }
/// What a rank does while nobody waits for it or keeps it waiting.
inline constexpr std::array computing_phases = {Phase::data, Phase::forward, Phase::backward, Phase::update};

inline std::size_t index_of(Phase phase) { return static_cast<std::size_t>(phase); }

/// Milliseconds of an average step.
struct PhaseTimes {
  std::array<double, phase_count> ms{};
  double exposed_ms = 0;  ///< the part of the exchange in which this rank stood still
};

}  // namespace lockstep
