// How good weights are on a set of samples.
#pragma once

#include <cstdint>
#include <optional>

namespace lockstep {

struct Evaluation {
  std::int64_t samples = 0, correct = 0;
  double loss = 0;  ///< mean cross entropy
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(samples); }
};

/// What is measured at one step: of the weights, and of their averages where the run keeps them.
struct Accuracy {
  Evaluation raw;
  std::optional<Evaluation> ema, swa;
};

}  // namespace lockstep
