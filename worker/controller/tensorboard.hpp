// The figures of a run as TensorBoard reads them: records of the TFRecord format, each a protocol buffer
// tensorboard.Event.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "configs/config.hpp"
#include "worker/files/file.hpp"

namespace lockstep {

/// One file of events. A process of the run opens its own. A file that cannot be written is a warning and the
/// end of the events, not of the run.
class EventFile {
 public:
  /// Opens a file in `folder`, after whose name TensorBoard names the run. It sorts after those of earlier
  /// processes and tells TensorBoard to forget what they have of steps after `step`.
  EventFile(const std::string& folder, std::int64_t step);

  /// What decides the result, for the plugin HParams; nothing where an earlier process has added it.
  void add_settings(const Config& config);
  /// The numbers of a line of metrics.jsonl, each a scalar at line["step"]: "loss" becomes "loss/train",
  /// "ema_test_accuracy" "accuracy/test_ema", "forward_ms" "time/forward_ms". TensorBoard sorts them by name.
  void add(const nlohmann::ordered_json& line);
  /// The run is complete, at `step`.
  void end(std::int64_t step);

 private:
  void write(const std::string& event);

  std::unique_ptr<PartFile> file_;  ///< null once the events have ended
  std::int64_t written_ = 0;        ///< bytes
  bool is_first_ = false;           ///< of the folder
};

}  // namespace lockstep
