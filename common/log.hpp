// The log of one process: warnings and errors on standard error, and everything in a file of its own with
// rank and host.
#pragma once

#include <string>

namespace lockstep {

enum class LogFormat {
  text,  ///< a line for people
  json,  ///< an object a line: time (ISO 8601), level, rank, host, message
};

/// Starts logging as "rank R@HOST"; with `to_terminal`, on standard error too. To be called once, early.
void start_log(int rank, bool to_terminal);
/// Adds the log file of `rank`, appending to it; throws Error (io) if it cannot be opened.
void log_to_file(const std::string& path, int rank, LogFormat format);

void log_info(const std::string& text);
void log_warning(const std::string& text);
void log_error(const std::string& text);

/// The kernel's name of this host.
std::string host_name();

}  // namespace lockstep
