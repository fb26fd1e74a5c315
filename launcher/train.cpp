#include <memory>

#include "launcher/commands.hpp"
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

int train(const TrainOptions& options) {
  // The worker's rank 0 reads the file for the run; here it is read to fail before anything is started.
  const std::int64_t threads = resolve(options.settings).config.distributed.threads_per_rank;
  std::vector<std::string> arguments = {options.settings.config};
  for (const auto& [key, value, origin] : overrides(options.settings))
    arguments.insert(arguments.end(), {"--set", key + "=" + value});
  if (!options.output.empty()) arguments.insert(arguments.end(), {"--output", options.output});
  if (options.fresh) arguments.push_back("--fresh");
  return launch_worker(options.launch, threads, std::move(arguments));
}

}  // namespace

void add_train(CLI::App& app, int& status) {
  auto options = std::make_shared<TrainOptions>();
  CLI::App* command = app.add_subcommand("train", "Train on the ranks of this machine, or go on with a run");
  add_settings(*command, options->settings);
  command->add_option("--output", options->output, "The run folder; by default runs/NAME");
  command->add_flag("--fresh", options->fresh, "Start over in a new folder, and keep the old one");
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep train configs/quickstart.toml\n"
      "  lockstep train configs/quickstart.toml --ranks 2 --set training.epochs=1 --output runs/short\n"
      "  lockstep train configs/quickstart.toml --fresh\n"
      "  lockstep train configs/quickstart.toml --without ema,label_smoothing --output runs/plain\n"
      "  lockstep train my.toml --template balanced\n"
      "  lockstep train configs/quickstart.toml --dry-run\n"
      "The exit status is that of the run: 0, 2 config, 3 peer lost, 4 I/O, 5 bug, 6 diverged, 128 + "
      "signal.");
  command->callback([options, &status] { status = train(*options); });
}

}  // namespace lockstep
