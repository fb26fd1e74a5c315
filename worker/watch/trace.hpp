// What a rank does when, as a file for ui.perfetto.dev or chrome://tracing (docs/timing.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "collectives/transport.hpp"
#include "common/clock.hpp"
#include "worker/files/file.hpp"

namespace lockstep {

/// RUN/trace/rank-N.json: one complete event ("X") a line, in the array format of trace events, whose closing
/// bracket may be missing. Each step is written at its end, in one call, so that a kill leaves whole lines. A
/// file that cannot be written is a warning and the end of the trace, not of the run.
class Trace {
 public:
  enum class Thread { main, saving, gpu };
  static constexpr std::int64_t steps_max = 200;       ///< of this process
  static constexpr std::int64_t bytes_max = 32 << 20;  ///< of a rank; no step begins beyond

  /// Collective: times count from the moment when all ranks have called it. `run` is the run folder; `gpu`:
  /// there is one to tell of. Throws CollectiveError.
  Trace(Transport& transport, const std::string& run, bool gpu);

  /// Of the main thread only, whichever thread it is about. `step`: of which it is the whole, or -1.
  void add(const std::string& name, Thread thread, Clock::time_point begin, Clock::time_point end,
           std::int64_t step = -1);
  /// Writes the events of the step that has just ended.
  void end_step();
  /// Collective: ends the trace; rank 0 writes those of all ranks to RUN/trace.json. Throws CollectiveError.
  void finish();

 private:
  void add_name(const char* what, Thread thread, const std::string& name);
  void write();
  void merge_files() const;

  Transport& transport_;
  std::string run_;
  std::unique_ptr<PartFile> file_;  ///< null once the trace has ended
  std::string text_;                ///< not yet written
  std::int64_t written_ = 0;        ///< bytes
  std::int64_t steps_ = 0;
  Clock::time_point zero_;
};

}  // namespace lockstep
