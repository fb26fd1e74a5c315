#include "configs/import.hpp"

#include <iostream>
#include <memory>

#include "launcher/commands/commands.hpp"

namespace lockstep {
namespace {

struct ImportOptions {
  std::string file;
  bool skip_unknown = false;
};

int print_import(const ImportOptions& options) {
  const Import imported = import_json(options.file, options.skip_unknown);
  for (const std::string& note : imported.notes) std::cerr << "lockstep: " << note << "\n";
  std::cout << imported.toml;
  return 0;
}

}  // namespace

void add_import(CLI::App& app, int& status) {
  auto options = std::make_shared<ImportOptions>();
  CLI::App* command =
      app.add_subcommand("import", "Print hyper-parameters that are kept in JSON as a configuration");
  command->add_option("FILE", options->file, "Keys and values, flat or in groups; aliases are understood")
      ->required();
  command->add_flag("--skip-unknown", options->skip_unknown, "Leave out keys that have no counterpart");
  command->footer(
      "Examples:\n"
      "  lockstep import hyperparameters.json > configs/mine.toml\n"
      "  lockstep import hyperparameters.json --skip-unknown > configs/mine.toml\n"
      "Exit status: 0, or 2 with a line for each key that has no counterpart and each value that is "
      "refused.\n"
      "Comments tell which values were renamed or are defaults; standard error tells what was renamed or "
      "skipped.");
  command->callback([options, &status] { status = print_import(*options); });
}

}  // namespace lockstep
