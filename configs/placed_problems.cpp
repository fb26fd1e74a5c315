#include "configs/placed_problems.hpp"

#include <algorithm>

#include "configs/load.hpp"
#include "configs/text.hpp"

namespace lockstep {

void PlacedProblems::throw_if_any() {
  constexpr std::size_t most_shown = 100;
  if (problems_.empty()) return;
  std::stable_sort(problems_.begin(), problems_.end(),
                   [](const auto& a, const auto& b) { return a.place.order() < b.place.order(); });
  std::vector<std::string> lines;
  const std::size_t shown = std::min(problems_.size(), most_shown);
  for (std::size_t i = 0; i < shown; ++i)
    lines.push_back(on_one_line(problems_[i].place.text + ": " + problems_[i].problem().text()));
  if (shown < problems_.size())
    lines.push_back("and " + std::to_string(problems_.size() - shown) + " more problems");
  throw ConfigError(lines);
}

}  // namespace lockstep
