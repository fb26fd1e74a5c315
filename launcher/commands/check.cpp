#include <memory>

#include "launcher/commands/commands.hpp"
#include "launcher/launch.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

struct CheckOptions {
  Settings settings;
  std::string output;
  LaunchOptions launch;
};

int check(CheckOptions& options) {
  const auto config = resolve(options.settings, &options.launch.config_text).config;
  const auto& distributed = config.distributed;
  options.launch.device = distributed.device;
  options.launch.start_seconds = static_cast<double>(config.reliability.collective_timeout_seconds);
  std::vector<std::string> arguments = {"--check"};
  if (!options.settings.config.empty()) arguments.push_back(options.settings.config);
  for (const auto& word : set_options(options.settings)) arguments.push_back(word);
  if (!options.output.empty()) arguments.insert(arguments.end(), {"--output", options.output});
  return launch_worker(options.launch, distributed.threads_per_rank, std::move(arguments));
}

}  // namespace

void add_check(CLI::App& app, int& status) {
  auto options = std::make_shared<CheckOptions>();
  CLI::App* command = app.add_subcommand(
      "check", "Look for what is wrong with hosts, network, disk, data and arithmetic, and train nothing");
  add_settings_with_optional_config(*command, options->settings);
  command->add_option("--output", options->output, "The run folder; by default that of the configuration")
      ->check(given_path);
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep check\n"
      "  lockstep check configs/quickstart.toml\n"
      "  lockstep check configs/quickstart.toml --ranks 2 --output /shared/runs/1\n"
      "The exit status is 0 when nothing failed (warnings are no failure), 2 when a check failed, 3 when a "
      "host "
      "does not answer.");
  command->callback([options, &status] { status = check(*options); });
}

}  // namespace lockstep
