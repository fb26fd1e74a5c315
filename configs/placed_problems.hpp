// Collects problems with their places, and throws them as one ConfigError sorted by place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <vector>

#include "configs/registry.hpp"

namespace lockstep {

/// Where a value or a problem is: in the file, or in one of the --set options, which come after the file.
struct Place {
  std::size_t option = 0;  ///< 0: the file; n: the n-th option
  std::uint32_t line = 0;
  std::uint32_t column = 0;
  std::string text;

  auto order() const { return std::tie(option, line, column); }
};

class PlacedProblems {
 public:
  void add(const Place& place, const Problem& problem) {
    add_later(place, [=] { return problem; });
  }
  /// `problem` is called only if it is shown: to find the names nearest to a hundred thousand unknown keys
  /// takes a while.
  void add_later(const Place& place, std::function<Problem()> problem) {
    problems_.push_back({place, std::move(problem)});
  }

  /// Throws ConfigError with the first hundred and the number of the others.
  void throw_if_any();

 private:
  struct Placed {
    Place place;
    std::function<Problem()> problem;
  };

  std::vector<Placed> problems_;
};

}  // namespace lockstep
