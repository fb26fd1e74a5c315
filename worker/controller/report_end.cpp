// The part of the report that tells how a run ended.
#include <numeric>

#include "common/build_identity.hpp"
#include "common/refused_start.hpp"
#include "worker/controller/accuracy_text.hpp"
#include "worker/controller/comparison.hpp"
#include "worker/controller/median.hpp"
#include "worker/controller/report.hpp"
#include "worker/watch/gpu_report.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

using nlohmann::json;

void RunReport::finish(const Workload& workload, const Plan& plan, std::int64_t steps_done,
                       const StateHashes& hashes, const Accuracy& accuracy, const Exchanged& exchanged,
                       const nlohmann::ordered_json& phases) {
  if (!speaks()) return;
  const auto samples = static_cast<double>(workload.micro_batches * workload.micro_batch_size);
  const auto steps = static_cast<double>(step_seconds_.size());
  const auto in_steps = std::accumulate(step_seconds_.begin(), step_seconds_.end(), 0.0);
  nlohmann::ordered_json result = {{"state_hash", hashes.state.hex()},
                                   {"weights_hash", hashes.array.at("weights").hex()},
                                   {"steps", steps_done},
                                   {"ranks", world_size_}};
  add_accuracy(result, accuracy);
  result["images_per_second"] = in_steps > 0 ? samples * steps / in_steps : 0.0;
  result["step_ms_median"] = median(step_seconds_) * 1e3;
  result["exchange"] = {{"messages_per_step", exchanged.messages_per_step},
                        {"bytes_per_step", exchanged.bytes_per_step}};
  result["phases_ms"] = phases;
  if (const auto gpus = gpus_of(plan.output); !gpus.empty()) result["gpus"] = gpus;
  result["seconds"] = seconds_since(start_);
  result["epochs"] = workload.config.training.epochs;
  result["max_steps"] = workload.config.training.max_steps;
  result["plan_hash"] = plan.hash().hex();
  if (!plan.grown_from.empty()) result["grown_from"] = plan.grown_from;
  result["data_hash"] = workload.data.hash.hex();
  result["build"] = build_identity();
  result["run"] = plan.output;
  if (comparison_) return comparison_->result(result);
  folder_->write_result(result);
  if (events_) events_->end(steps_done);
  progress_->emit("result", result);
  show_result(result);
}

void RunReport::show_finished() {
  if (!speaks()) return;
  has_begun_ = true;
  forget_refused_start(folder_->path());
  const auto result = folder_->result();
  progress_->say("nothing is left to do: the run is complete");
  progress_->emit("result", result);
  show_result(result);
}

void RunReport::show_result(const json& result) const {
  const auto text = [&](const char* key) { return result.value(key, std::string("?")); };
  progress_->say("");
  std::string averages;
  for (const auto& [key, name] : {std::pair{"ema_test_accuracy", "EMA"}, {"swa_test_accuracy", "SWA"}}) {
    if (result.contains(key))
      averages += std::string("  (") + name + " weights " + percent(result[key]) + ")";
  }
  const auto phases = phases_in_words(result.value("phases_ms", json::object()));
  for (const auto& gpu : result.value("gpus", json::array())) {
    if (const auto line = trouble_of_gpu(gpu); !line.empty()) progress_->say(line);
  }
  if (!phases.empty()) progress_->say("where the time went  " + phases);
  progress_->say_with_highlight("test accuracy  ", percent(result.value("test_accuracy", 0.0)), averages);
  progress_->say("state hash     " + text("state_hash"));
  progress_->say("run folder     " + text("run"));
}

}  // namespace lockstep
