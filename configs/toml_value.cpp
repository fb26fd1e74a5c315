#include "configs/toml_value.hpp"

#include <algorithm>
#include <sstream>

#include "configs/text.hpp"

namespace lockstep {
namespace {

/// Each `read` sets the value if the node has the type, and returns whether it has.
bool read(const toml::node& node, Integer& value) {
  if (!node.is_integer()) return false;
  value = node.as_integer()->get();
  return true;
}

bool read(const toml::node& node, Real& value) {
  if (node.is_integer()) {
    value = static_cast<double>(node.as_integer()->get());
    return true;
  }
  if (!node.is_floating_point()) return false;
  value = node.as_floating_point()->get() + 0.0;  // -0.0 becomes 0.0: equal values must have equal texts
  return true;
}

bool read(const toml::node& node, Flag& value) {
  if (!node.is_boolean()) return false;
  value = node.as_boolean()->get();
  return true;
}

bool read(const toml::node& node, Text& value) {
  if (!node.is_string()) return false;
  value = node.as_string()->get();
  return true;
}

/// For rows that take a word or a number: a number is stored as its shortest text, however it was written.
bool read_word_or_number(const toml::node& node, Text& text) {
  Real number = 0;
  if (!read(node, text) && !read(node, number)) return false;
  if (node.is_string() && !number_in(text)) return true;
  text = limit_text(node.is_string() ? *number_in(text) : number);
  return true;
}

bool is_auto(const toml::node& node) { return node.is_string() && node.as_string()->get() == "auto"; }

template <class T>
bool read(const toml::node& node, std::optional<T>& value) {
  value.reset();
  return is_auto(node) || read(node, value.emplace());
}

template <class T>
bool read(const toml::node& node, std::vector<T>& list) {
  if (!node.is_array()) return false;
  list.clear();
  for (const toml::node& element : *node.as_array()) {
    T value{};
    if (!read(element, value)) return false;
    list.push_back(value);
  }
  return true;
}

std::string found_text(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::string:
      return "a string";
    case toml::node_type::integer:
      return "a whole number";
    case toml::node_type::floating_point:
      return "a number with a fraction or an exponent";
    case toml::node_type::boolean:
      return "true or false";
    case toml::node_type::array:
      return node.as_array()->empty() ? "an empty list" : "a list";
    case toml::node_type::table:
      return "a table";
    default:
      return "a date or time";
  }
}

/// The node as TOML on one line, shortened if necessary.
std::string shown_text(const toml::node& node) {
  std::ostringstream stream;
  node.visit([&](const auto& typed) { stream << typed; });
  std::string text = stream.str();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return shortened(text);
}

Problem wrong_type(const Parameter& row, const toml::node& node) {
  const std::string example = row.key + " = " + toml_text(row.default_value, row.bounds.empty_is_auto);
  return {row.name() + " = " + shown_text(node) + " has the wrong type",
          found_text(node) + " where " + type_text(row) + " is wanted", "write it like " + example};
}

}  // namespace

std::variant<Value, Problem> value_from_toml(const Parameter& row, const toml::node& node) {
  Value value = row.default_value;
  const bool list_is_auto = row.bounds.empty_is_auto && is_auto(node);
  bool typed = true;
  if (list_is_auto) {
    std::visit([](auto& typed_value) { typed_value = {}; }, value);
  } else {
    typed = row.bounds.word_or_number.empty()
                ? std::visit([&](auto& typed_value) { return read(node, typed_value); }, value)
                : read_word_or_number(node, std::get<Text>(value));
    if (row.bounds.empty_is_auto && node.is_array() && node.as_array()->empty()) typed = false;
  }
  if (!typed) return wrong_type(row, node);
  if (auto problem = check_bounds(row, value)) return *problem;
  return value;
}

}  // namespace lockstep
