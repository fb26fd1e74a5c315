#include "configs/value.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace lockstep {
namespace {

struct TomlText {
  bool empty_is_auto;

  std::string operator()(Integer number) const { return std::to_string(number); }
  std::string operator()(Real number) const { return real_text(number); }
  std::string operator()(Flag flag) const { return flag ? "true" : "false"; }
  std::string operator()(const Text& text) const { return quoted(text); }

  template <class T>
  std::string operator()(const std::optional<T>& number) const {
    return number ? (*this)(*number) : quoted("auto");
  }

  template <class T>
  std::string operator()(const std::vector<T>& list) const {
    if (list.empty() && empty_is_auto) return quoted("auto");
    std::string text = "[";
    for (const T& element : list) text += (text.size() > 1 ? ", " : "") + (*this)(element);
    return text + "]";
  }
};

}  // namespace

std::string toml_text(const Value& value, bool empty_is_auto) {
  return std::visit(TomlText{empty_is_auto}, value);
}

std::string real_text(double number) {
  char digits[32];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  std::string text(digits, end);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

std::string limit_text(double limit) {
  if (limit == std::floor(limit) && std::fabs(limit) < 1e16)
    return std::to_string(static_cast<Integer>(limit));
  return real_text(limit);
}

std::string quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += '\\';
      result += c;
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04X", static_cast<unsigned char>(c));
      result += escape;
    } else {
      result += c;
    }
  }
  return result + "\"";
}

}  // namespace lockstep
