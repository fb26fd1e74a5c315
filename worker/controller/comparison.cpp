#include "worker/controller/comparison.hpp"

#include <algorithm>
#include <fstream>

#include "common/stored_json.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/files/file.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr std::array keys_of_accuracy = {"test_accuracy", "test_loss",         "ema_test_accuracy",
                                         "ema_test_loss", "swa_test_accuracy", "swa_test_loss"};
constexpr std::array keys_of_step = {"epoch",         "loss",       "train_accuracy", "learning_rate",
                                     "gradient_norm", "loss_scale", "skipped_steps"};
constexpr std::array keys_of_manifest = {
    "step", "plan_hash", "data_hash", "teacher_hash", "mixed_precision", "decisions", "state_hash"};
constexpr std::array keys_of_result = {"steps", "plan_hash", "data_hash", "weights_hash", "state_hash"};

json member(const json& object, const std::string& key) { return object.value(key, json()); }

/// As it would be read from a file, where a number that is not finite is null.
json as_written(const nlohmann::ordered_json& object) { return json::parse(object.dump()); }

}  // namespace

Comparison::LineKey Comparison::key_of(const json& line) {
  return {whole_number(line, "step", 0), line.contains("test_accuracy")};
}

Comparison::Comparison(const std::string& run, const Segment& segment) : segment_(segment) {
  constexpr std::int64_t most_bytes_of_metrics = std::int64_t{1} << 34;
  const auto path = run + "/metrics.jsonl";
  std::istringstream metrics(is_there(path) ? read_file(path, most_bytes_of_metrics) : "");
  for (std::string text; std::getline(metrics, text);) {
    const auto line = stored_json(text);
    if (!line.is_object() || (!line.contains("loss") && !line.contains("test_accuracy"))) continue;
    const auto key = key_of(line);
    if (key.step > segment.begin && key.step <= segment.end) recorded_lines_.emplace(key, line);
  }
  recorded_end_ = segment.to.empty() ? stored_json(read_file(run + "/result.json"))
                                     : read_manifest(run + "/checkpoint/" + segment.to + "/manifest.json");
  if (!recorded_end_.is_object()) throw Error(ExitCode::io, run + "/result.json is damaged", "it is no JSON");
}

void Comparison::value(std::int64_t step, const std::string& key, const json& recorded,
                       const json& recomputed) {
  if (recorded != recomputed) differences_.push_back({step, key, recorded, recomputed});
}

void Comparison::line(const nlohmann::ordered_json& recomputed) {
  ++lines_;
  const auto line = as_written(recomputed);
  const auto key = key_of(line);
  const auto found = recorded_lines_.find(key);
  if (found == recorded_lines_.end()) {
    return value(key.step, "metrics.jsonl", nullptr, key.evaluation ? "an evaluation" : "a line");
  }
  const auto compare = [&](const auto& keys) {
    for (const std::string name : keys)
      value(key.step, name, member(found->second, name), member(line, name));
  };
  if (key.evaluation)
    compare(keys_of_accuracy);
  else
    compare(keys_of_step);
  recorded_lines_.erase(found);
}

void Comparison::state(json about, std::int64_t step, const Decisions& decisions, const StateHashes& hashes) {
  about["step"] = step;
  about["state_hash"] = hashes.state.hex();
  if (decisions != Decisions{}) about["decisions"] = to_json(decisions);
  const auto arrays = member(recorded_end_, "arrays");
  for (const auto& [name, hash] : hashes.array)
    value(step, "arrays." + name, member(arrays, name), hash.hex());
  for (const std::string key : keys_of_manifest)
    value(step, key, member(recorded_end_, key), member(about, key));
}

void Comparison::result(const nlohmann::ordered_json& recomputed) {
  const auto result = as_written(recomputed);
  const auto compare = [&](const auto& keys) {
    for (const std::string key : keys)
      value(segment_.end, key, member(recorded_end_, key), member(result, key));
  };
  compare(keys_of_result);
  compare(keys_of_accuracy);
}

void Comparison::exports(const std::vector<ExportHashes>& files) {
  for (const auto& [file, written, computed] : files)
    value(segment_.end, file, written.hex(), computed.hex());
}

std::vector<Difference> Comparison::differences() const {
  auto all = differences_;
  for (const auto& [key, line] : recorded_lines_)
    all.push_back({key.step, "metrics.jsonl", key.evaluation ? "an evaluation" : "a line", nullptr});
  std::ranges::stable_sort(all, {}, &Difference::step);
  return all;
}

}  // namespace lockstep
