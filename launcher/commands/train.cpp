#include <cstdlib>
#include <memory>

#include "configs/derive.hpp"
#include "launcher/commands/commands.hpp"
#include "launcher/launch.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

struct TrainOptions {
  Settings settings;
  std::string output;
  bool fresh = false;
  LaunchOptions launch;
};

int train(TrainOptions& options) {
  const auto config = resolve(options.settings, &options.launch.config_text).config;
  const auto& distributed = config.distributed;
  options.launch.device = distributed.device;
  options.launch.start_seconds = static_cast<double>(config.reliability.collective_timeout_seconds);
  std::vector<std::string> arguments = {options.settings.config};
  for (const auto& word : set_options(options.settings)) arguments.push_back(word);
  if (!options.output.empty()) arguments.insert(arguments.end(), {"--output", options.output});
  // After a requeue, a job continues the run that it started with --fresh.
  const bool requeued = !environment_variable("SLURM_JOB_ID").empty() &&
                        std::atoi(environment_variable("SLURM_RESTART_COUNT").c_str()) > 0;
  if (options.fresh && !requeued) arguments.push_back("--fresh");
  return launch_worker(options.launch, distributed.threads_per_rank, std::move(arguments),
                       {.run = run_folder(config, options.output),
                        .max_restarts = config.reliability.max_restarts,
                        .gpus = distributed.device != "cpu"});
}

}  // namespace

void add_train(CLI::App& app, int& status) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command =
      app.add_subcommand("train", "Train here, on other hosts or in Slurm's job; or go on with a run");
  add_settings(*command, options->settings);
  command->add_option("--output", options->output, "The run folder; by default runs/NAME")->check(given_path);
  command->add_flag("--fresh", options->fresh, "Start over in a new folder, and keep the old one");
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep train configs/quickstart.toml\n"
      "  lockstep train configs/quickstart.toml --ranks 2 --set training.epochs=1 --output runs/short\n"
      "  lockstep train configs/quickstart.toml --fresh\n"
      "  lockstep train configs/quickstart.toml --without ema,label_smoothing --output runs/plain\n"
      "  lockstep train my.toml --template balanced\n"
      "  lockstep train my.toml --hosts a:8,b:8\n"
      "  salloc --nodes=2 --ntasks-per-node=8 lockstep train my.toml\n"
      "  lockstep train configs/quickstart.toml --dry-run\n"
      "A run that loses a rank or a host starts again by itself (reliability.max_restarts).\n"
      "The exit status is that of the run: 0, 2 config, 3 peer lost, 4 I/O, 5 bug, 6 diverged, 7 corrupt, "
      "8 out of memory, 9 GPU failed, 128 + signal.");
  command->callback([options, &status] { status = train(*options); });
}

}  // namespace lockstep
