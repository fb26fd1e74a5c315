#include "configs/explain.hpp"

#include <iostream>
#include <memory>

#include "configs/names.hpp"
#include "configs/text.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/machine.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

struct ExplainOptions {
  std::string name;
  Settings settings;
  bool json = false;
  bool text = false;
};

[[noreturn]] void refuse(const std::string& name, const std::vector<const Parameter*>& meant) {
  if (meant.size() > 1) {
    std::vector<std::string> names;
    for (const Parameter* row : meant) names.push_back(row->name());
    throw Error(ExitCode::config, name + " is the key of several sections", joined(names),
                "write the section too");
  }
  throw Error(ExitCode::config, "unknown key or section " + on_one_line(shortened(name)),
              "the table has no such name", suggest_name(name));
}

int explain(const ExplainOptions& options) {
  constexpr int usual_columns = 80;
  const int columns = terminal_columns().value_or(usual_columns);
  const bool json = options.json || (!options.text && !terminal_columns());
  const Section* section = find_section(options.name);
  const std::vector<const Parameter*> meant = parameters_named(options.name);
  if (!section && meant.size() != 1) refuse(options.name, meant);
  const ResolvedConfig resolved = resolve(options.settings);
  if (!section) {
    const Parameter& row = *meant.front();
    std::cout << (json ? explanation_json(row, resolved) + "\n" : explanation(row, resolved, columns));
  } else if (!json) {
    std::cout << explanation(*section, resolved, columns);
  } else {
    for (const Parameter* row : parameters_of(section->name))
      std::cout << explanation_json(*row, resolved) << "\n";
  }
  return 0;
}

}  // namespace

void add_explain(CLI::App& app, int& status) {
  auto options = std::make_shared<ExplainOptions>();
  CLI::App* command =
      app.add_subcommand("explain", "Say what a parameter is, what it is set to, and when to change it");
  command->add_option("NAME", options->name, "section.key, a key that one section alone has, or a section")
      ->required();
  add_settings_with_optional_config(*command, options->settings);
  CLI::Option* json =
      command->add_flag("--json", options->json, "One line of JSON per parameter, as in a pipe");
  command->add_flag("--text", options->text, "Text for people, as on a terminal")->excludes(json);
  command->footer(
      "Examples:\n"
      "  lockstep explain training.batch_size\n"
      "  lockstep explain learning_rate configs/quickstart.toml\n"
      "  lockstep explain optimizer --set optimizer.name=adamw\n"
      "  lockstep explain augmentation --template high_accuracy --without mixup\n"
      "Exit status: 0, or 2 when there is no such parameter or the configuration is not valid.");
  command->callback([options, &status] { status = explain(*options); });
}

}  // namespace lockstep
