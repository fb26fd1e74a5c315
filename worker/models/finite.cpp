#include "worker/models/finite.hpp"

#include <cfloat>
#include <cmath>

namespace lockstep {
namespace {

bool is_variance(const std::string& name) { return name.ends_with("running_var"); }

bool is_sound(float value, float least) { return value >= least && value <= FLT_MAX; }

/// Without branches, so that it runs at the speed of memory.
bool all_sound(std::span<const float> values, float least) {
  int bad = 0;
  for (const float value : values)
    bad |= static_cast<int>(!(value >= least)) | static_cast<int>(!(value <= FLT_MAX));
  return bad == 0;
}

}  // namespace

std::string trouble_in(const std::string& name, std::span<const float> values, std::int64_t first) {
  const float least = is_variance(name) ? 0 : -FLT_MAX;
  if (all_sound(values, least)) return "";
  std::size_t i = 0;
  while (is_sound(values[i], least)) ++i;
  const bool finite = std::isfinite(values[i]);
  return name + (finite ? " has values below 0" : " has values that are not finite") + " (element " +
         std::to_string(first + static_cast<std::int64_t>(i)) + " is " + std::to_string(values[i]) + ")";
}

Error diverged(const std::string& problem, const std::string& trouble) {
  return {ExitCode::diverged, problem, trouble,
          "lower optimizer.learning_rate, lengthen the warm-up, or set training.gradient_clip_norm"};
}

}  // namespace lockstep
