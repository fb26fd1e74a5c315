// Runs a short program and returns its output.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct Output {
  int status = 0;    ///< its exit code; 127 if it cannot be started
  std::string text;  ///< what it wrote on standard output and standard error, in order
};

/// Runs a program that ends soon by itself, with empty standard input, and waits for it. Throws Error (io)
/// if no process can be started.
Output output_of(const std::vector<std::string>& argv);

/// The output as one line for messages, with "; " between its lines.
std::string on_one_line_of(const Output& output);

}  // namespace lockstep
