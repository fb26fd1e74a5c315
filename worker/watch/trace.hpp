// A timeline of the phases of each rank, as a file for ui.perfetto.dev or chrome://tracing (docs/timing.md).
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "collectives/transport.hpp"
#include "common/clock.hpp"
#include "worker/files/file.hpp"

namespace lockstep {

/// Writes RUN/trace/rank-N.json: one complete event ("X") per line, in the array format of trace events, in
/// which the closing bracket may be missing. The events of a step are written at its end in one call, so that
/// a killed rank leaves whole lines. If the file cannot be written, the trace ends with a warning, and the
/// run continues.
class Trace {
 public:
  enum class Thread { main, saving, gpu };
  static constexpr std::int64_t steps_max = 200;       ///< of this process
  static constexpr std::int64_t bytes_max = 32 << 20;  ///< of a rank; no further step is traced beyond

  /// Collective (a barrier): times count from the moment when all ranks have called it. `run` is the run
  /// folder; `gpu`: whether there is a GPU to trace. Throws CollectiveError.
  Trace(Transport& transport, const std::string& run, bool gpu);

  /// Adds one event. Call on the main thread only, whichever `thread` the event is about. `step`: the step
  /// that the event spans, or -1.
  void add(const std::string& name, Thread thread, Clock::time_point begin, Clock::time_point end,
           std::int64_t step = -1);
  /// Writes the events of the step that has just ended.
  void end_step();
  /// Collective (a barrier): ends the trace; rank 0 then merges those of all ranks into RUN/trace.json.
  /// Throws CollectiveError.
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
