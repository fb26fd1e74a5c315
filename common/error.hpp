// Errors that end a process, and the exit codes they end it with (docs/errors.md).
#pragma once

#include <stdexcept>
#include <string>

namespace lockstep {

/// The documented exit codes of all lockstep programs.
enum class ExitCode : int {
  success = 0,
  usage = 1,
  config = 2,         ///< the configuration or the data it names cannot be used
  peer_lost = 3,      ///< another rank died, stopped answering, or disagreed
  io = 4,             ///< a file could not be read or written
  bug = 5,            ///< an internal contract was broken
  diverged = 6,       ///< the loss or a gradient is no longer finite
  corrupt = 7,        ///< a rank or a host computes or holds something other than the rest
  out_of_memory = 8,  ///< a rank could not allocate memory on its host or its device
  gpu_failed = 9,     ///< a rank's GPU is broken or gone
};

/// An error that ends the program. `what()` reads "problem (why) suggestion".
class Error : public std::runtime_error {
 public:
  /// `why` and `suggestion` may be empty; `problem` may not.
  Error(ExitCode code, const std::string& problem, const std::string& why = "",
        const std::string& suggestion = "");

  ExitCode exit_code() const { return code_; }

 private:
  ExitCode code_;
};

/// For a file operation that has failed: strerror(error_number), with what to do about it.
Error file_error(const std::string& problem, const std::string& path, int error_number);

}  // namespace lockstep
