#include "configs/document.hpp"

#include "configs/features.hpp"
#include "configs/phrases.hpp"
#include "configs/rules.hpp"
#include "configs/text.hpp"
#include "configs/versions.hpp"

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
  if (const std::string former = former_default_text(row); !former.empty())
    text += item("Default in older files: " + former + ".");
  text += item(row.raise + " " + row.lower);
  if (!tuning.empty()) text += item("Searched over " + tuning + ".");
  text += item(capitalised(effect_text(row)) + ".");
  for (const std::string& rule : rule_texts(row)) text += item("Rule: " + rule);
  if (!row.aliases.empty()) text += item("Elsewhere called `" + joined(row.aliases, "`, `") + "`.");
  return text + item("Since " + row.since + ".");
}

std::string document_of_templates() {
  return "\n## Templates\n\n"
         "Above the sections a file may also say `template = \"" +
         templates().front().name +
         "\"`, and `lockstep train FILE --template NAME` says it in its place: the\n"
         "template's values then stand between the defaults and those of the file, key by key. There are " +
         joined(template_names()) +
         ";\n`lockstep template NAME` prints one. They flip and "
         "crop images in files of config_version 2 and later.\n";
}

std::string document_of_features() {
  std::string text =
      "\n## Features to switch off\n\n"
      "`lockstep train FILE --without ema,cutmix` switches features off, whatever the file and `--set` say, "
      "to\n"
      "compare a run with and without them. The names, and what each sets:\n\n";
  for (const Feature& feature : features()) {
    std::vector<std::string> values;
    for (const Override& off : feature.off) values.push_back("`" + off.key + " = " + off.value + "`");
    text += item("`" + feature.name + "`: " + joined(values));
  }
  return text;
}

std::string schema_line(const std::string& schema) { return "#:schema " + on_one_line(schema) + "\n"; }

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
      "all that is wrong with a file.\n\n"
      "Above the sections a file may say `config_version = " +
      std::to_string(kConfigVersion) +
      "`, the version of this table it is written for; a file of a newer\n"
      "version is refused. A file of an older version means what it meant when it was written, to the bit, "
      "and one\n"
      "without this line is of version " +
      std::to_string(kUnnamedVersion) + ".\n";
  for (const Section& section : sections()) {
    text += "\n## " + section.name + "\n\n" + section.what + "\n";
    for (const Parameter* row : parameters_of(section.name)) text += document_of(*row);
  }
  text += document_of_templates() + document_of_features();
  text += "\n## Rules between values\n\n";
  for (const Rule& rule : rules()) text += item(rule.says);
  return text;
}

std::string configuration_template(const std::string& schema) {
  std::string text = schema_line(schema);
  text += comment(
      "All parameters with their defaults. Keep what you change: a key that is left out has its default.");
  text += comment("`lockstep explain KEY` says more.");
  text += "config_version = " + std::to_string(kConfigVersion) + "\n";
  for (const Section& section : sections()) {
    text += "\n";
    text += comment(section.what) + "[" + section.name + "]\n";
    for (const Parameter* row : parameters_of(section.name)) text += template_of(*row);
  }
  return text;
}

std::string named_template(const Template& named, const std::string& schema) {
  return schema_line(schema) + named.text.substr(named.text.find('\n') + 1);
}

}  // namespace lockstep
