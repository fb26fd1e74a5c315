// The phases into which the time of a step is divided (docs/timing.md).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace lockstep {

enum class Phase : std::uint8_t {
  data,        ///< making the input of micro-batches from samples
  forward,     ///< of the micro-batches
  backward,    ///< of the micro-batches
  exchange,    ///< reducing along the tree, distributing new parameters, all waiting for peers in a step
  update,      ///< of this rank's shard, including weight averages
  checkpoint,  ///< copies for a checkpoint, and waiting for it
  evaluation,
  other,
};
inline constexpr std::size_t phase_count = 8;
inline constexpr std::array<const char*, phase_count> phase_names = {
    "data", "forward", "backward", "exchange", "update", "checkpoint", "evaluation", "other"};
inline const char* phase_name(Phase phase) { return phase_names[static_cast<std::size_t>(phase)]; }
/// The phases in which a rank computes and does not wait for its peers.
inline constexpr std::array computing_phases = {Phase::data, Phase::forward, Phase::backward, Phase::update};

inline std::size_t index_of(Phase phase) { return static_cast<std::size_t>(phase); }

/// Milliseconds per step, averaged over some steps.
struct PhaseTimes {
  std::array<double, phase_count> ms{};
  double exposed_ms = 0;  ///< the part of the exchange in which this rank only waited
};

}  // namespace lockstep
