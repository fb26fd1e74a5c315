// Writes the metrics of a run for TensorBoard: records in TFRecord format, each a protocol buffer
// tensorboard.Event.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "configs/config.hpp"
#include "worker/files/file.hpp"

namespace lockstep {

/// One event file. Each process of the run opens its own. If it cannot be written, it warns and drops further
/// events; the run goes on.
class EventFile {
 public:
  /// Opens a file in `folder`, whose name is TensorBoard's name of the run. The file sorts after those of
  /// earlier processes, and tells TensorBoard to drop their events of steps after `step`.
  EventFile(const std::string& folder, std::int64_t step);

  /// Adds the settings that decide the result, for the HParams plugin, unless an earlier process has added
  /// them.
  void add_settings(const Config& config);
  /// Adds the numbers of a line of metrics.jsonl, each as a scalar at line["step"]: "loss" becomes
  /// "loss/train", "ema_test_accuracy" "accuracy/test_ema", "forward_ms" "time/forward_ms". TensorBoard sorts
  /// them by name.
  void add(const nlohmann::ordered_json& line);
  /// Records that the run is complete, at `step`.
  void end(std::int64_t step);

 private:
  void write(const std::string& event);

  std::unique_ptr<PartFile> file_;  ///< null once the events have ended
  std::int64_t written_ = 0;        ///< bytes
  bool is_first_ = false;           ///< whether it is the first in the folder
};

}  // namespace lockstep
