#include <memory>
#include <optional>

#include "launcher/commands/commands.hpp"
#include "launcher/launch.hpp"
#include "launcher/settings.hpp"

namespace lockstep {
namespace {

struct VerifyOptions {
  std::string run, data;
  std::optional<std::int64_t> segments, seed;
  bool from_start = false;
  LaunchOptions launch;
};

int verify(VerifyOptions& options) {
  const auto config = resolved_of_run(options.run).config;
  const auto& distributed = config.distributed;
  options.launch.device = distributed.device;
  options.launch.start_seconds = static_cast<double>(config.reliability.collective_timeout_seconds);
  std::vector<std::string> arguments = {"--verify", options.run};
  if (options.segments) arguments.insert(arguments.end(), {"--segments", std::to_string(*options.segments)});
  if (options.seed) arguments.insert(arguments.end(), {"--seed", std::to_string(*options.seed)});
  if (!options.data.empty()) arguments.insert(arguments.end(), {"--data", options.data});
  if (options.from_start) arguments.push_back("--from-start");
  return launch_worker(options.launch, distributed.threads_per_rank, std::move(arguments));
}

}  // namespace

void add_verify(CLI::App& app, int& status) {
  auto options = std::make_shared<VerifyOptions>();
  CLI::App* command =
      app.add_subcommand("verify", "Compute parts of a run again, and compare with what it has kept");
  command->add_option("RUN", options->run, "The run folder, in which nothing is changed")
      ->required()
      ->check(given_path);
  command
      ->add_option("--segments", options->segments,
                   "How many of the parts between two checkpoints; 3 by default")
      ->check(CLI::Range(0, 1 << 20));
  command->add_option("--seed", options->seed, "Chooses the parts; by default the run's own seed")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--from-start", options->from_start,
                    "The steps from the initial weights to the first checkpoint too");
  command->add_option("--data", options->data, "Where the data of the run lie now, if they have moved")
      ->check(given_path);
  add_launch_options(*command, options->launch);
  command->footer(
      "Examples:\n"
      "  lockstep verify runs/quickstart\n"
      "  lockstep verify runs/quickstart --ranks 4 --segments 1 --seed 7\n"
      "  lockstep verify runs/quickstart --from-start\n"
      "The exit status is 0 when all is equal, bit for bit, and 4 when the run on disk is not what its plan "
      "computes.");
  command->callback([options, &status] { status = verify(*options); });
}

}  // namespace lockstep
