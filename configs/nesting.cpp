#include "configs/nesting.hpp"

#include <algorithm>
#include <cstddef>

namespace lockstep {
namespace {

/// Whether the dot belongs to a number such as 0.5 rather than to a dotted key such as a.b.
bool is_decimal_point(std::string_view text, std::size_t dot) {
  constexpr std::string_view before_numbers = " \t,[=+-";
  auto begin = dot;
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  return begin < dot && (begin == 0 || before_numbers.find(text[begin - 1]) != std::string_view::npos);
}

}  // namespace

std::uint32_t line_nested_too_deep(std::string_view text) {
  constexpr std::ptrdiff_t most_dots =
      1000;  // far more than any key has, and far fewer than overflow the stack
  std::uint32_t line = 1;
  for (std::size_t begin = 0; begin < text.size(); ++line) {
    const auto end = std::min(text.find('\n', begin), text.size());
    std::ptrdiff_t dots = 0;
    for (auto dot = text.find('.', begin); dot < end; dot = text.find('.', dot + 1))
      dots += !is_decimal_point(text, dot);
    if (dots > most_dots) return line;
    begin = end + 1;
  }
  return 0;
}

}  // namespace lockstep
