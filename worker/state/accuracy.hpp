// Loss and accuracy of a set of weights on a set of samples.
#pragma once

#include <cstdint>
#include <optional>

namespace lockstep {

struct Evaluation {
  std::int64_t samples = 0, correct = 0;
  double loss = 0;  ///< mean cross entropy
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(samples); }
};

/// The evaluations after one step: of the weights, and of their averages if the run keeps any.
struct Accuracy {
  Evaluation raw;
  std::optional<Evaluation> ema, swa;
};

}  // namespace lockstep
