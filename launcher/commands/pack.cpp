#include <filesystem>
#include <iostream>
#include <memory>

#include "launcher/commands/commands.hpp"
#include "launcher/machine.hpp"
#include "launcher/process.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

struct PackOptions {
  std::string source, target;
  std::vector<std::string> set;
};

/// Runs a single worker without mpirun, since only the worker can read the formats.
int pack(const PackOptions& options) {
  Command command;
  command.argv = {program_beside_this("lockstep-worker"), "--pack", options.source, options.target};
  for (const auto& setting : options.set) command.argv.insert(command.argv.end(), {"--set", setting});
  const Ending ending = run_to_end(command);
  if (ending.status <= 128) return ending.status;
  std::error_code none;  // left behind by a worker that was killed
  fs::remove(options.target + ".writing-" + std::to_string(ending.pid), none);
  std::cerr << "lockstep: packing was stopped; " << options.target << " is as it was\n";
  return ending.forwarded_signal != 0 ? 128 + ending.forwarded_signal : ending.status;
}

}  // namespace

void add_pack(CLI::App& app, int& status) {
  auto options = std::make_shared<PackOptions>();
  CLI::App* command =
      app.add_subcommand("pack", "Decode a data set once, into one file that training maps into memory");
  command->add_option("DATA", options->source, "What data.path may name: a folder or a tar file")->required();
  command->add_option("OUT", options->target, "The file to write; then set data.path to it")->required();
  command->add_option("--set", options->set, "A key of [data], such as data.image_size=224 (repeatable)")
      ->allow_extra_args(false);
  command->footer(
      "Examples:\n"
      "  lockstep pack cifar10.tar cifar10.pack\n"
      "  lockstep pack imagenet imagenet-224.pack --set data.image_size=224 --set data.damaged_images=skip\n"
      "  lockstep train my.toml --set data.path=cifar10.pack\n"
      "A run on the file ends with the state hash of a run on what it was made from.");
  command->callback([options, &status] { status = pack(*options); });
}

}  // namespace lockstep
