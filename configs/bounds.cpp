// Checks a value against its row, and describes what the row takes.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <string_view>

#include "configs/names.hpp"
#include "configs/registry.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

constexpr const char* kPlainName =
    "up to 100 letters, digits, '.', '_' and '-', beginning with a letter or digit";

bool is_plain_name(std::string_view text) {
  constexpr std::string_view alphanumeric = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  if (text.empty() || text.size() > 100 || alphanumeric.find(text.front()) == text.npos) return false;
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return alphanumeric.find(c) != alphanumeric.npos || c == '.' || c == '_' || c == '-';
  });
}

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

/// Limits of integers are integers of at most 2^53, which a double represents exactly; a value may be
/// larger, and is compared exactly, too.
bool within(const Bounds& bounds, Integer value) {
  const auto low = static_cast<Integer>(bounds.low), high = static_cast<Integer>(bounds.high);
  return (bounds.low_excluded ? value > low : value >= low) && value <= high;
}

bool within(const Bounds& bounds, Real value) {
  return (bounds.low_excluded ? value > bounds.low : value >= bounds.low) && value <= bounds.high;
}

/// Another scale in which some rows are often given.
struct OtherScale {
  const char* unit;  ///< the row's own; "" is that of every share up to 1
  const char* looks_like;
  double divisor;
  const char* remedy;
};

constexpr OtherScale other_scales[] = {
    {"pixel value, white = 1", "a level of 0 .. 255", 255, "divide data.mean and data.std by 255"},
    {"share of the circle", "degrees", 360, "divide them by 360"},
    {"seconds", "milliseconds", 1000, "divide them by 1000"},
    {"", "a percentage", 100, "divide it by 100"}};

/// What to suggest if `value` is too large for the row but would fit on another scale; "" for nothing.
std::string remedy_for_scale(const Parameter& row, double value) {
  const bool is_share = std::holds_alternative<Real>(row.default_value) && row.bounds.high <= 1 &&
                        row.tuning.scale != Scale::logarithmic;  // as for coefficients
  for (const auto& scale : other_scales) {
    if (*scale.unit ? row.unit != scale.unit : !is_share) continue;
    const double meant = value / scale.divisor;
    constexpr double slip = 2;  // below this factor the number is wrong on any scale
    if (value <= slip || value <= row.bounds.high || !within(row.bounds, meant)) return "";
    char digits[32];
    std::snprintf(digits, sizeof digits, "%.4g", meant);
    return std::string("it looks like ") + scale.looks_like + ": " + scale.remedy + ", which gives " + digits;
  }
  return "";
}

struct Check {
  const Parameter& row;
  std::string shown;  ///< "training.batch_size = 0", or "data.std[1] = 0.0" for an element

  template <class Number>
  std::optional<Problem> number(Number value) const {
    if (within(row.bounds, value)) return std::nullopt;
    const bool finite = std::isfinite(static_cast<double>(value));
    const auto remedy = remedy_for_scale(row, static_cast<double>(value));
    return Problem{shown + (finite ? " is out of range" : " is not finite"), bounds_text(row),
                   remedy.empty() ? "give " + type_text(row) + " in this range" : remedy};
  }

  std::optional<Problem> operator()(Integer value) const { return number(value); }
  std::optional<Problem> operator()(Real value) const { return number(value); }
  std::optional<Problem> operator()(Flag) const { return std::nullopt; }

  std::optional<Problem> operator()(const Text& text) const {
    const std::vector<std::string>& choices = row.bounds.choices;
    if (!is_utf8(text)) {
      return Problem{row.name() + " is not UTF-8", "it goes into TOML and JSON files",
                     "rename the file or folder"};
    }
    if (row.bounds.plain_name && !is_plain_name(text)) {
      return Problem{shown + " is not a plain name", "it becomes the name of a folder",
                     std::string("use ") + kPlainName};
    }
    if (has_control_character(text)) {
      return Problem{shown + " has control characters", "no path or name needs them", "remove them"};
    }
    const std::string& word = row.bounds.word_or_number;
    const bool is_path = choices.empty() && !row.bounds.plain_name && word.empty();
    if (is_path && text.starts_with('~')) {
      return Problem{shown + " begins with '~'", "only a shell puts a home folder there",
                     "write the whole path, or ./~ for a folder of that name"};
    }
    if (!word.empty() && text != word && !number_in(text)) {
      return Problem{shown + " is neither a number above 0 nor " + quoted(word), bounds_text(row),
                     "write " + quoted(word) + " or for example 1024"};
    }
    if (choices.empty() || std::find(choices.begin(), choices.end(), text) != choices.end())
      return std::nullopt;
    const std::string nearest = nearest_name(text, choices);
    return Problem{shown + " is not one of the choices", joined(choices),
                   nearest.empty() ? "choose one of them" : "did you mean " + quoted(nearest) + "?"};
  }

  template <class T>
  std::optional<Problem> operator()(const std::optional<T>& value) const {
    return value ? (*this)(*value) : std::nullopt;
  }

  template <class T>
  std::optional<Problem> operator()(const std::vector<T>& list) const {
    for (std::size_t i = 0; i < list.size(); ++i) {
      const Check element{row,
                          row.name() + "[" + std::to_string(i) + "] = " + toml_text(Value(list[i]), false)};
      if (auto problem = element(list[i])) return problem;
    }
    return std::nullopt;
  }
};

struct TypeText {
  std::string operator()(Integer) const { return "a whole number"; }
  std::string operator()(Real) const { return "a number"; }
  std::string operator()(Flag) const { return "true or false"; }
  std::string operator()(const Text&) const { return "a string"; }
  std::string operator()(const Integers&) const { return "a list of whole numbers"; }
  std::string operator()(const Reals&) const { return "a list of numbers"; }
  std::string operator()(AutoInteger) const { return "a whole number or \"auto\""; }
  std::string operator()(AutoReal) const { return "a number or \"auto\""; }
};

}  // namespace

std::string bounds_text(const Parameter& row) {
  const Bounds& bounds = row.bounds;
  if (bounds.plain_name) return kPlainName;
  if (!bounds.choices.empty()) return joined(bounds.choices);
  if (!bounds.word_or_number.empty()) return bounds.word_or_number + ", or a number above 0";
  if (std::isinf(bounds.low)) return "";
  return (bounds.low_excluded ? "above " : "") + limit_text(bounds.low) +
         (bounds.low_excluded ? " up to " : " .. ") + limit_text(bounds.high);
}

std::optional<Real> number_in(const Text& text) {
  Real number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = failure == std::errc() && end == text.data() + text.size();
  return whole && std::isfinite(number) && number > 0 ? std::optional(number) : std::nullopt;
}

std::string type_text(const Parameter& row) {
  if (!row.bounds.word_or_number.empty()) return "a number or " + quoted(row.bounds.word_or_number);
  return std::visit(TypeText{}, row.default_value) + (row.bounds.empty_is_auto ? " or \"auto\"" : "");
}

std::string Problem::text() const { return problem + " (" + why + ") " + suggestion; }

std::optional<Problem> check_bounds(const Parameter& row, const Value& value) {
  const std::string text = shortened(toml_text(value, row.bounds.empty_is_auto));
  return std::visit(Check{row, row.name() + " = " + text}, value);
}

}  // namespace lockstep
