#include <memory>

#include "launcher/commands/commands.hpp"
#include "launcher/launch.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

struct EvalOptions {
  std::string run, data;
  LaunchOptions launch;
};

int eval(EvalOptions& options) {
  const auto config = resolved_of_run(options.run).config;
  const auto& distributed = config.distributed;
  options.launch.device = distributed.device;
  options.launch.start_seconds = static_cast<double>(config.reliability.collective_timeout_seconds);
  std::vector<std::string> arguments = {"--eval", options.run};
  if (!options.data.empty()) arguments.insert(arguments.end(), {"--data", options.data});
  return launch_worker(options.launch, distributed.threads_per_rank, std::move(arguments));
}

}  // namespace

void add_eval(CLI::App& app, int& status) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Repeat the test accuracy of a run from its newest checkpoint");
  command->add_option("RUN", options->run, "The run folder")->required()->check(given_path);
  command->add_option("--data", options->data, "Where the data of the run lie now, if they have moved")
      ->check(given_path);
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep eval runs/quickstart\n"
      "  lockstep eval runs/quickstart --ranks 4\n"
      "  lockstep eval runs/quickstart --data /new/place/of/the/data\n"
      "  lockstep eval runs/quickstart --hosts a:8,b:8\n"
      "The accuracy does not depend on the number of ranks.");
  command->callback([options, &status] { status = eval(*options); });
}

}  // namespace lockstep
