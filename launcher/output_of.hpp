// What a short program answers.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

struct Output {
  int status = 0;    ///< its exit code; 127 when it cannot be started
  std::string text;  ///< what it wrote on standard output and standard error, in order
};

/// Runs a program that ends by itself soon, without standard input, and waits for it. Throws Error (io) when
/// the system lets no process start.
Output output_of(const std::vector<std::string>& argv);

/// What it wrote as one line, for messages: "; " between its lines.
std::string on_one_line_of(const Output& output);

}  // namespace lockstep
