#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <exception>
#include <filesystem>
#include <iostream>
#include <span>

#include "common/build_identity.hpp"
#include "common/error.hpp"
#include "common/filesystem_error.hpp"
#include "common/printable.hpp"
#include "configs/load.hpp"
#include "configs/text.hpp"
#include "launcher/commands/commands.hpp"

namespace lockstep {
namespace {

int run(int argc, char** argv) {
  int status = 0;
  CLI::App app("lockstep: data-parallel training whose result does not depend on the number of ranks.",
               "lockstep");
  app.set_version_flag("--version", build_identity());
  app.require_subcommand(1);
  app.footer(
      "Examples:\n"
      "  lockstep train configs/quickstart.toml\n"
      "  lockstep check configs/quickstart.toml\n"
      "  lockstep eval runs/quickstart\n"
      "  lockstep why runs/quickstart\n"
      "  lockstep submit configs/quickstart.toml --nodes 2 --ntasks-per-node 8 --time 1:00:00\n"
      "  lockstep validate configs/quickstart.toml\n"
      "  lockstep explain batch_size\n"
      "`lockstep COMMAND --help` shows the options of a command.");
  add_train(app, status);
  add_check(app, status);
  add_eval(app, status);
  add_why(app, status);
  add_submit(app, status);
  add_verify(app, status);
  add_pack(app, status);
  add_validate(app, status);
  add_explain(app, status);
  add_template(app, status);
  add_import(app, status);
  add_schema(app, status);
  add_docs(app, status);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  return status;
}

/// All files that are read and written are UTF-8, and names of folders occur in them.
void require_utf8(int argc, char** argv) {
  for (const std::string word : std::span(argv, argc)) {
    if (is_utf8(word)) continue;
    throw Error(ExitCode::config, "an argument is not UTF-8: " + on_one_line(word),
                "it would go into JSON and TOML files",
                "rename the file or folder, or write the text in UTF-8");
  }
}

/// The reader of the output may end first, which must not end this program. And if a standard stream was
/// closed by the caller, the next file to be opened would take its place, so /dev/null does.
void keep_standard_streams() {
  std::signal(SIGPIPE, SIG_IGN);
  int file = 0;
  while (file >= 0 && file <= STDERR_FILENO) file = open("/dev/null", O_RDWR);
  if (file > STDERR_FILENO) close(file);
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  lockstep::keep_standard_streams();
  try {
    lockstep::require_utf8(argc, argv);
    return lockstep::run(argc, argv);
  } catch (const lockstep::ConfigError& error) {  // one problem per line, each beginning with its place
    std::cerr << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  } catch (const lockstep::Error& error) {
    std::cerr << "lockstep: " << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  } catch (const std::filesystem::filesystem_error& failure) {  // circular links, names too long, ...
    const auto error = lockstep::file_error(failure, "cannot use");
    std::cerr << "lockstep: " << error.what() << "\n";
    return static_cast<int>(error.exit_code());
  } catch (const std::exception& error) {
    std::cerr << "lockstep: internal error: " << lockstep::printable(error.what(), lockstep::LineFeeds::kept)
              << "\n";
    return static_cast<int>(lockstep::ExitCode::bug);
  }
}
