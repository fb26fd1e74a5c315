#include "configs/document.hpp"

#include "configs/phrases.hpp"
#include "configs/rules.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

std::string default_text(const Parameter& row) {
  return toml_text(row.default_value, row.bounds.empty_is_auto);
}

std::string capitalised(std::string text) {
  text.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(text.front())));
  return text;
}

std::string item(const std::string& text) { return std::string("- ") + text + "\n"; }

std::string document_of(const Parameter& row) {
  std::string text = "\n### " + row.name() + "\n\n" + row.what + "\n\n";
  const std::string tuning = tuning_text(row);
  text += item(capitalised(domain_text(row)) + ". Default: `" + default_text(row) + "`.");
  text += item(row.raise + " " + row.lower);
  if (!tuning.empty()) text += item("Searched over " + tuning + ".");
  text += item(capitalised(effect_text(row)) + ".");
  for (const std::string& rule : rule_texts(row)) text += item("Rule: " + rule);
  if (!row.aliases.empty()) text += item("Elsewhere called `" + joined(row.aliases, "`, `") + "`.");
  return text + item("Since " + row.since + ".");
}

std::string comment(const std::string& text) {
  constexpr std::size_t columns = 100;
  return wrapped(text, "# ", "# ", columns);
}

std::string template_of(const Parameter& row) {
  std::string text = "\n";
  for (const std::string& words :
       {row.what, capitalised(domain_text(row)) + ".", row.raise + " " + row.lower})
    text += comment(words);
  return text + row.key + " = " + default_text(row) + "\n";
}

}  // namespace

std::string parameters_document() {
  std::string text =
      "<!-- Written by `make docs` from configs/parameters.def; do not edit. -->\n"
      "# Parameters\n\n"
      "A configuration is a TOML file with the sections below; any key may be left out.\n"
      "`lockstep train FILE --set section.key=value` overrides one of them, `lockstep template` prints a\n"
      "file with all, `lockstep explain KEY` says what is here of one, and `lockstep validate FILE` reports\n"
      "all that is wrong with a file.\n";
  for (const Section& section : sections()) {
    text += "\n## " + section.name + "\n\n" + section.what + "\n";
    for (const Parameter* row : parameters_of(section.name)) text += document_of(*row);
  }
  text += "\n## Rules between values\n\n";
  for (const Rule& rule : rules()) text += item(rule.says);
  return text;
}

std::string configuration_template(const std::string& schema) {
  std::string text = "#:schema " + on_one_line(schema) + "\n";
  text += comment(
      "All parameters with their defaults. Keep what you change: a key that is left out has its default.");
  text += comment("`lockstep explain KEY` says more.");
  for (const Section& section : sections()) {
    text += "\n";
    text += comment(section.what) + "[" + section.name + "]\n";
    for (const Parameter* row : parameters_of(section.name)) text += template_of(*row);
  }
  return text;
}

}  // namespace lockstep
