#include <filesystem>
#include <memory>

#include "configs/load.hpp"
#include "launcher/commands.hpp"
#include "launcher/launch.hpp"

namespace lockstep {
namespace {

struct EvalOptions {
  std::string run;
  LaunchOptions launch;
};

int eval(EvalOptions& options) {
  const std::filesystem::path resolved = std::filesystem::path(options.run) / "resolved.toml";
  if (!std::filesystem::exists(resolved)) {
    throw Error(ExitCode::config, options.run + " is not a run folder", "it has no resolved.toml",
                "give the folder that `lockstep train` named at its end");
  }
  const auto distributed = load_config(resolved).config.distributed;
  options.launch.device = distributed.device;
  return launch_worker(options.launch, distributed.threads_per_rank, {"--eval", options.run});
}

}  // namespace

void add_eval(CLI::App& app, int& status) {
  auto options = std::make_shared<EvalOptions>();
  CLI::App* command =
      app.add_subcommand("eval", "Repeat the test accuracy of a run from its newest checkpoint");
  command->add_option("RUN", options->run, "The run folder")->required();
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep eval runs/quickstart\n"
      "  lockstep eval runs/quickstart --ranks 4\n"
      "  lockstep eval runs/quickstart --hosts a:8,b:8\n"
      "The accuracy does not depend on the number of ranks.");
  command->callback([options, &status] { status = eval(*options); });
}

}  // namespace lockstep
