#include <iostream>
#include <memory>

#include "configs/document.hpp"
#include "launcher/commands.hpp"

namespace lockstep {

void add_template(CLI::App& app, int& status) {
  auto schema = std::make_shared<std::string>("./parameters.schema.json");
  CLI::App* command = app.add_subcommand(
      "template", "Print a configuration with all parameters, their defaults and comments");
  command
      ->add_option("--schema", *schema,
                   "Where the file's first line says that its schema is, seen from the file")
      ->capture_default_str();
  command->footer(
      "Examples:\n"
      "  lockstep template > configs/mine.toml\n"
      "  lockstep template --schema configs/parameters.schema.json > mine.toml\n"
      "`lockstep schema` prints the schema, with which editors complete and check the file.");
  command->callback([schema, &status] {
    std::cout << configuration_template(*schema);
    status = 0;
  });
}

}  // namespace lockstep
