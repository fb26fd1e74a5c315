// Compares what a run has recorded of a segment with what is computed again.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/controller/plan.hpp"
#include "worker/evaluation/outcome.hpp"

namespace lockstep {

/// A value that is not equal, bit for bit.
struct Difference {
  std::int64_t step;
  std::string key;  ///< "loss", "arrays.momentum", "data_hash", "weights.safetensors", ...
  nlohmann::json recorded, recomputed;  ///< null: there is none
};

/// The comparison of one segment of a run. For rank 0; reads the run folder and writes nothing. Leaves out
/// what a clock has measured, and what depends on the number of ranks.
class Comparison {
 public:
  /// Reads the records of `segment` in the run folder `run`. Throws Error (io) if they cannot be read.
  Comparison(const std::string& run, const Segment& segment);

  /// Compares a line that would be written to metrics.jsonl.
  void line(const nlohmann::ordered_json& recomputed);
  /// Compares the state at the end with the manifest of segment.to. `about`: the manifest's plan_hash,
  /// data_hash, ...
  void state(nlohmann::json about, std::int64_t step, const Decisions& decisions, const StateHashes& hashes);
  /// Compares what would be written to result.json.
  void result(const nlohmann::ordered_json& recomputed);
  void exports(const std::vector<ExportHashes>& files);
  void value(std::int64_t step, const std::string& key, const nlohmann::json& recorded,
             const nlohmann::json& recomputed);

  /// All differences, in the order of the steps. Call it once everything has been compared: lines of
  /// metrics.jsonl that were not computed again are among them.
  std::vector<Difference> differences() const;
  std::int64_t lines() const { return lines_; }  ///< compared so far

 private:
  struct LineKey {
    std::int64_t step;
    bool evaluation;
    auto operator<=>(const LineKey&) const = default;
  };
  static LineKey key_of(const nlohmann::json& line);

  Segment segment_;
  std::multimap<LineKey, nlohmann::json> recorded_lines_;  ///< not yet compared
  nlohmann::json recorded_end_;                            ///< the manifest, or result.json
  std::vector<Difference> differences_;
  std::int64_t lines_ = 0;
};

}  // namespace lockstep
