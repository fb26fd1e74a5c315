// All settings of a run as typed structs, generated from parameters.def, the table of all parameters.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

// The types that a row of the table may have.
using Flag = bool;
using Integer = std::int64_t;
using Real = double;
using Text = std::string;  ///< also a choice among words
using Integers = std::vector<std::int64_t>;
using Reals = std::vector<double>;                ///< empty stands for "auto" where the row says auto_or
using AutoInteger = std::optional<std::int64_t>;  ///< nullopt stands for "auto"
using AutoReal = std::optional<double>;

/// One nested struct per section: config.training.batch_size, config.optimizer.learning_rate ...
/// A default-constructed Config holds the defaults and is valid.
struct Config {
#define LIST(...) \
  { __VA_ARGS__ }
#define AUTO \
  {}
#define BEGIN_SECTION(Struct, section, what) struct Struct {
#define PARAMETER(section, Type, key, default_value, ...) Type key = default_value;
#define END_SECTION(Struct, section)              \
  bool operator==(const Struct&) const = default; \
  }                                               \
  section;
#include "configs/parameters.def"
#undef LIST
#undef AUTO
#undef BEGIN_SECTION
#undef PARAMETER
#undef END_SECTION

  bool operator==(const Config&) const = default;
};

}  // namespace lockstep
