#include <iostream>
#include <memory>

#include "common/error.hpp"
#include "configs/document.hpp"
#include "configs/templates.hpp"
#include "configs/text.hpp"
#include "launcher/commands/commands.hpp"

namespace lockstep {
namespace {

struct TemplateOptions {
  std::string name;
  std::string schema = "./parameters.schema.json";
};

std::string text_of(const TemplateOptions& options) {
  if (options.name.empty()) return configuration_template(options.schema);
  if (const Template* named = find_template(options.name)) return named_template(*named, options.schema);
  const Problem problem = unknown_template(options.name);
  throw Error(ExitCode::config, on_one_line(problem.problem), problem.why, problem.suggestion);
}

}  // namespace

void add_template(CLI::App& app, int& status) {
  auto options = std::make_shared<TemplateOptions>();
  CLI::App* command = app.add_subcommand(
      "template", "Print a configuration to begin with: all parameters with comments, or a template");
  command->add_option("NAME", options->name,
                      joined(template_names()) + "; by default all parameters, their defaults and comments");
  command
      ->add_option("--schema", options->schema,
                   "Where the file's first line says that its schema is, seen from the file")
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  lockstep template > configs/mine.toml\n"
      "  lockstep template --schema configs/parameters.schema.json > mine.toml\n"
      "  lockstep template balanced > configs/mine.toml\n"
      "A file that says template = \"balanced\" above its sections has those values without repeating them.\n"
      "`lockstep schema` prints the schema, with which editors complete and check the file.");
  command->callback([options, &status] {
    std::cout << text_of(*options);
    status = 0;
  });
}

}  // namespace lockstep
