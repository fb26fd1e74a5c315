// The log of one process: warnings and worse to standard error for people, everything to its own file with
// rank and host.
#pragma once

#include <string>

namespace lockstep {

enum class LogFormat {
  text,  ///< a line for people
  json,  ///< an object a line: time (ISO 8601), level, rank, host, message
};

/// Starts logging as "rank R@HOST". Only `to_terminal` processes also write to standard error. Call once,
/// early.
void start_log(int rank, bool to_terminal);
/// Adds the file `path` (appending) of rank `rank`; throws Error with ExitCode::io when it cannot be opened.
void log_to_file(const std::string& path, int rank, LogFormat format);

void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

/// The name of this host, as the kernel gives it.
std::string host_name();

}  // namespace lockstep
