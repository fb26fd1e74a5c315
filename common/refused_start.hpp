// The error that ended a start of a run before its first step, kept for `lockstep why`: such a start may not
// have a log yet, and the run folder may hold an earlier run.
#pragma once

#include <optional>
#include <string>

namespace lockstep {

struct RefusedStart {
  double time = 0;  ///< Unix time in seconds
  int exit_code = 0;
  std::string text;
};

/// Writes it into the run folder, if that exists. Never throws: the original error is the one to report.
void keep_refused_start(const std::string& run, const RefusedStart& refused);
/// To be called once a later start has got past this point.
void forget_refused_start(const std::string& run);
/// Nothing if no start was refused since one that got further, or if the file is damaged.
std::optional<RefusedStart> read_refused_start(const std::string& run);

}  // namespace lockstep
