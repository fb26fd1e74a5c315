// The error with which a start of a run ended before its first step, for `lockstep why`: such a start may
// have no log of its own yet, and the run folder may hold an earlier run.
#pragma once

#include <optional>
#include <string>

namespace lockstep {

struct RefusedStart {
  double time = 0;  ///< Unix time in seconds
  int exit_code = 0;
  std::string text;
};

/// Writes it into the run folder, if that is there. Never throws: the error itself is to be told.
void keep_refused_start(const std::string& run, const RefusedStart& refused);
/// A later start has come further.
void forget_refused_start(const std::string& run);
/// Nothing where no start was refused since the last one that came further, or the file is damaged.
std::optional<RefusedStart> read_refused_start(const std::string& run);

}  // namespace lockstep
