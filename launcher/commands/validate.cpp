#include <algorithm>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "common/printable.hpp"
#include "configs/usual_rates.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/machine.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

int validate(const Settings& settings) {
  const auto resolved = resolve(settings);
  const auto& origin = resolved.origin;
  const auto defaults = std::ranges::count_if(origin, [](const auto& entry) {
    return entry.second == "default" || entry.second.starts_with("default of config_version ");
  });
  const auto set = static_cast<std::int64_t>(origin.size()) - defaults;
  const auto warnings = unusual_rates(resolved);
  if (terminal_columns()) {
    std::cout << printable(settings.config) << ": valid, " << origin.size() << " values, " << set << " set\n";
    for (const auto& warning : warnings) std::cout << "warning: " << printable(warning) << "\n";
  } else {
    const nlohmann::ordered_json line = {{"file", settings.config},
                                         {"valid", true},
                                         {"values", origin.size()},
                                         {"set", set},
                                         {"warnings", warnings}};
    std::cout << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  }
  return 0;
}

}  // namespace

void add_validate(CLI::App& app, int& status) {
  auto settings = std::make_shared<Settings>();
  CLI::App* command =
      app.add_subcommand("validate", "Check a configuration, and report all that is wrong with it");
  add_settings(*command, *settings);
  command->footer(
      "Examples:\n"
      "  lockstep validate configs/quickstart.toml\n"
      "  lockstep validate configs/quickstart.toml --set training.batch_size=100\n"
      "  lockstep validate configs/quickstart.toml --template high_accuracy --without nesterov\n"
      "Learning rates far from what the optimiser usually needs are warnings.\n"
      "Exit status: 0 valid, 2 not valid. In a pipe, the answer is one line of JSON.");
  command->callback([settings, &status] { status = validate(*settings); });
}

}  // namespace lockstep
