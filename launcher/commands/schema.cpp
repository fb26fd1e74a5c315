#include "configs/schema.hpp"

#include <iostream>

#include "launcher/commands/commands.hpp"

namespace lockstep {

void add_schema(CLI::App& app, int& status) {
  CLI::App* command =
      app.add_subcommand("schema", "Print the JSON Schema of configurations, for editors that check TOML");
  command->footer(
      "Examples:\n"
      "  lockstep schema > configs/parameters.schema.json\n"
      "  lockstep schema | python3 -m json.tool\n"
      "Taplo and Even Better TOML use it in files that begin with: #:schema parameters.schema.json");
  command->callback([&status] {
    std::cout << configuration_schema();
    status = 0;
  });
}

}  // namespace lockstep
