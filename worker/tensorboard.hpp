// The figures of a run as TensorBoard reads them: records of the TFRecord format, each a protocol buffer
// tensorboard.Event.
#pragma once

#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "worker/checkpoint/safetensors.hpp"

namespace lockstep {

/// One file of events. A process of the run opens its own. A file that cannot be written is a warning and the
/// end of the events, not of the run.
class EventFile {
 public:
  /// Opens a file in `folder`, which sorts after those of earlier processes and tells TensorBoard to forget
  /// what they have of steps after `step`.
  EventFile(const std::string& folder, std::int64_t step);

  /// The numbers of a line of metrics.jsonl, each a scalar at line["step"]: "loss" becomes "train/loss",
  /// "test_accuracy" "test/accuracy", "forward_ms" "phases/forward_ms".
  void add(const nlohmann::ordered_json& line);

 private:
  void write(const std::string& event);

  std::unique_ptr<PartFile> file_;  ///< null once the events have ended
  std::int64_t written_ = 0;        ///< bytes
};

}  // namespace lockstep
