#include "worker/controller/controller.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <numeric>

#include "common/build_identity.hpp"
#include "common/log.hpp"
#include "common/refused_start.hpp"
#include "configs/derive.hpp"
#include "configs/usual_rates.hpp"
#include "configs/value.hpp"
#include "worker/controller/comparison.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/watch/gpu_report.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
  return text;
}

void add_accuracy(nlohmann::ordered_json& fields, const Accuracy& accuracy) {
  fields["test_accuracy"] = accuracy.raw.accuracy();
  fields["test_loss"] = accuracy.raw.loss;
  if (accuracy.ema) {
    fields["ema_test_accuracy"] = accuracy.ema->accuracy();
    fields["ema_test_loss"] = accuracy.ema->loss;
  }
  if (accuracy.swa) {
    fields["swa_test_accuracy"] = accuracy.swa->accuracy();
    fields["swa_test_loss"] = accuracy.swa->loss;
  }
}

std::string in_words(const Accuracy& accuracy) {
  return percent(accuracy.raw.accuracy()) +
         (accuracy.ema ? ", EMA " + percent(accuracy.ema->accuracy()) : "") +
         (accuracy.swa ? ", SWA " + percent(accuracy.swa->accuracy()) : "");
}

/// What `lockstep` has read and checked counts, at every start of a run: the file may have changed since, and
/// a pipe is empty by now.
ResolvedConfig resolve(const std::string& path, std::span<const Override> overrides) {
  if (path.empty()) return load_defaults(overrides);
  const char* const text = std::getenv("LOCKSTEP_CONFIG_TEXT");
  return text ? load_content(path, text, overrides) : load_config(path, overrides);
}

/// Without a slash at its end, as RUN.1 beside it is made of it.
std::string normal_path(const fs::path& path) {
  const auto normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() || !normal.has_relative_path() ? normal : normal.parent_path();
}

}  // namespace

Plan Controller::plan_of_run(const std::string& path, Task task) const {
  Plan plan{config_of_run(path), task, path};
  plan.data = request_.data.empty() ? data_of_run(path, plan.config) : request_.data;
  return plan;
}

Plan Controller::make_plan() {
  if (!request_.run_to_evaluate.empty()) {
    return plan_of_run(normal_path(request_.run_to_evaluate), Task::evaluate);
  }
  if (!request_.run_to_verify.empty()) {
    return plan_of_run(normal_path(request_.run_to_verify), Task::verify);
  }
  std::vector<Override> overrides;
  for (const auto& setting : request_.settings) overrides.push_back(parse_override(setting));
  const auto resolved = resolve(request_.config, overrides);
  const auto output = normal_path(run_folder(resolved.config, request_.output));
  if (request_.check) return {resolved.config, Task::check, output};
  doubts_ = unusual_rates(resolved);
  starting_ = output;
  token_ = prometheus_token(resolved.config.run);
  folder_ = std::make_unique<RunFolder>(output, resolved, request_.fresh);
  return {resolved.config, folder_->finished(resolved.config) ? Task::nothing : Task::train, output};
}

Plan Controller::plan() {
  auto plan = share_plan(transport_, [this] { return make_plan(); });
  if (transport_.rank() == 0) progress_ = std::make_unique<Progress>();
  return plan;
}

void Controller::note_refused(ExitCode code, const std::string& text) const {
  if (starting_.empty()) return;
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  keep_refused_start(starting_, {now.count(), static_cast<int>(code), text});
}

void Controller::warn_of_idle_ranks(const Workload& workload) const {
  const auto ranks = transport_.world_size();
  if (ranks <= workload.micro_batches) return;
  const auto batch = workload.config.training.batch_size;
  auto size = workload.micro_batch_size;  // the largest that occupies all ranks, or 1
  while (size > 1 && (batch % size != 0 || workload.micro_batches * workload.micro_batch_size / size < ranks))
    --size;
  log_warning(std::to_string(ranks - workload.micro_batches) + " of " + std::to_string(ranks) +
              " ranks have no micro-batch to compute (a step has " + std::to_string(workload.micro_batches) +
              ", of " + std::to_string(workload.micro_batch_size) +
              " samples each) set training.micro_batch_size = " + std::to_string(size) +
              ", raise training.batch_size, or start fewer ranks");
}

void Controller::note_places(std::vector<RankPlace> places) {
  places_ = std::move(places);
  if (transport_.rank() == 0) std::ranges::for_each(doubts_about(places_), log_warning);
}

void Controller::open_for_watchers(const Workload& workload, const Plan& plan, std::int64_t step) {
  const auto& settings = workload.config.run;
  if (settings.prometheus_port != 0)
    endpoint_ = std::make_unique<MetricsEndpoint>(settings, token_, transport_.world_size(), plan.output);
  if (!settings.tensorboard) return;
  events_ = std::make_unique<EventFile>(plan.output, step);
  events_->add_settings(workload.config);
}

void Controller::require_no_lost_checkpoint(const Workload& workload) const {
  if (folder_ && !comparison_) folder_->require_no_lost_checkpoint(workload.extent.steps_per_epoch);
}

void Controller::begin(const Workload& workload, const Plan& plan, const TrainingState& state) {
  if (transport_.rank() != 0 || comparison_) return;
  forget_refused_start(std::exchange(starting_, ""));
  warn_of_idle_ranks(workload);
  std::ranges::for_each(doubts_, log_warning);
  folder_->rewind_metrics(state.step);
  folder_->note_working_directory(plan.config);
  for (const auto& line : lines_of(places_)) progress_->say(line);
  progress_->emit("map", {{"ranks", json_of(places_)}});
  open_for_watchers(workload, plan, state.step);
  progress_->say(workload.config.model.name + ", " + std::to_string(workload.layout.parameter_count()) +
                 " parameters; " + std::to_string(workload.data.train.count) + " training images; " +
                 std::to_string(transport_.world_size()) + " ranks, " +
                 std::to_string(workload.micro_batches) + " micro-batches of " +
                 std::to_string(workload.micro_batch_size) + " a step");
  const auto scaling = scaling_in_words(workload.config);
  if (!scaling.empty()) progress_->say("learning rate " + scaling);
  if (workload.precision.name() != "none") progress_->say("mixed precision " + workload.precision.name());
  if (state.decisions.stopped) {
    log_warning("early stopping has ended this run (no improvement for " +
                std::to_string(state.decisions.epochs_since_best) +
                " epochs) to train further, begin another with a larger training.early_stopping_patience");
  }
  if (state.step > 0)
    progress_->say("going on after step " + std::to_string(state.step) + " in " + plan.output);
  progress_->emit("start", {{"run", plan.output},
                            {"step", state.step},
                            {"last_step", workload.extent.last_step},
                            {"ranks", transport_.world_size()},
                            {"learning_rate", scaled_learning_rate(workload.config)},
                            {"learning_rate_scaling", scaling},
                            {"mixed_precision", workload.precision.name()},
                            {"plan_hash", plan.hash().hex()}});
}

void Controller::note_step(const Workload& workload, const TrainingState& state, const StepSums& sums,
                           double learning_rate, double seconds) {
  if (transport_.rank() != 0) return;
  const auto steps_done = state.step;
  step_seconds_.push_back(seconds);
  const auto recent = std::vector(step_seconds_.end() - std::min<std::ptrdiff_t>(step_seconds_.size(), 50),
                                  step_seconds_.end());
  const auto pace = median(recent);
  const auto samples = static_cast<double>(workload.micro_batches * workload.micro_batch_size);
  const auto loss = sums.loss / sums.weight;
  const auto epoch = workload.epoch_of(steps_done - 1) + 1;
  const bool last = steps_done == workload.extent.last_step;
  progress_->update(
      {epoch, workload.config.training.epochs, steps_done, workload.extent.last_step, samples / pace,
       pace * static_cast<double>(workload.extent.last_step - steps_done), loss},
      last);
  if (endpoint_) {
    endpoint_->note_step({steps_done, workload.extent.last_step, epoch, state.decisions.skipped_steps, loss,
                          sums.correct / samples, learning_rate, sums.gradient_norm, seconds,
                          samples / seconds});
  }
  if (!logs(workload, steps_done)) return;
  nlohmann::ordered_json line = {{"step", steps_done},
                                 {"epoch", epoch},
                                 {"loss", loss},
                                 {"train_accuracy", sums.correct / samples},
                                 {"learning_rate", learning_rate},
                                 {"gradient_norm", sums.gradient_norm},
                                 {"step_ms", seconds * 1e3},
                                 {"images_per_second", samples / seconds}};
  if (state.decisions.loss_scale != 0) {
    line["loss_scale"] = state.decisions.loss_scale;
    line["skipped_steps"] = state.decisions.skipped_steps;
  }
  line.update(phase_columns(sums.reports));
  if (endpoint_) endpoint_->note_phases(sums.reports);
  record("step", line);
}

void Controller::record(const std::string& event, const nlohmann::ordered_json& line) {
  if (comparison_) return comparison_->line(line);
  if (folder_) folder_->append_metrics(line);
  if (events_) events_->add(line);
  progress_->emit(event, line);
}

/// After an epoch or more; at the first evaluation that shows it, and at the end.
void Controller::warn_of_guessing(const Workload& workload, std::int64_t steps_done,
                                  const Evaluation& evaluation) {
  const bool ends = steps_done >= workload.extent.last_step;
  if (comparison_ || steps_done < workload.extent.steps_per_epoch || (warned_of_guessing_ && !ends)) return;
  if (!is_guessing(evaluation, workload.data.test.labels, workload.data.classes)) return;
  warned_of_guessing_ = true;
  const auto& optimizer = workload.config.optimizer;
  log_warning("the network has learned nothing that shows (test accuracy " + percent(evaluation.accuracy()) +
              " of " + std::to_string(workload.data.classes) + " classes is that of guessing, with " +
              optimizer.name + " at a learning rate of " + limit_text(optimizer.learning_rate) +
              ") see lockstep explain learning_rate, and look whether the labels belong to the images");
}

void Controller::note_accuracy(const Workload& workload, std::int64_t steps_done, const Accuracy& accuracy) {
  if (transport_.rank() != 0) return;
  const auto epoch = steps_done == 0 ? 0 : workload.epoch_of(steps_done - 1) + 1;
  nlohmann::ordered_json line = {{"step", steps_done}, {"epoch", epoch}};
  add_accuracy(line, accuracy);
  if (endpoint_) endpoint_->note_accuracy(accuracy);
  record("evaluation", line);
  progress_->say("step " + std::to_string(steps_done) + ": test accuracy " + in_words(accuracy));
  warn_of_guessing(workload, steps_done, accuracy.raw);
}

void Controller::note_early_stop(std::int64_t steps_done, const Decisions& decisions) {
  if (transport_.rank() != 0 || comparison_) return;
  const auto epochs = std::to_string(decisions.epochs_since_best);
  progress_->emit("early_stop", {{"step", steps_done}, {"epochs_since_best", decisions.epochs_since_best}});
  progress_->say("early stopping: no improvement for " + epochs + " epochs");
}

void Controller::note_saved(const Saved& saved) {
  if (transport_.rank() != 0) return;
  if (endpoint_) endpoint_->note_saved(saved);
  const auto hash = saved.hashes.state.hex();
  const auto stopped_ms = saved.stopped_seconds * 1e3;
  progress_->emit(
      "checkpoint",
      {{"step", saved.step}, {"state_hash", hash}, {"stopped_ms", stopped_ms}, {"seconds", saved.seconds}});
  log_info("saved step " + std::to_string(saved.step) + ", state hash " + hash +
           "; the steps stood still for " + std::to_string(std::llround(stopped_ms)) + " ms");
  compare_with_grace(saved.seconds);
}

/// LOCKSTEP_GRACE_SECONDS, from the launcher: how long Slurm leaves between its request to end and the kill.
void Controller::compare_with_grace(double save_seconds) {
  const char* const grace = std::getenv("LOCKSTEP_GRACE_SECONDS");
  if (!grace || warned_of_grace_ || save_seconds <= std::atof(grace)) return;
  warned_of_grace_ = true;
  log_warning("a checkpoint took " + std::to_string(std::llround(save_seconds)) + " s, and Slurm leaves " +
              grace +
              " s (a run that is ended may lose the steps since its last checkpoint) raise "
              "--signal-seconds of lockstep submit, or the partition's GraceTime");
}

void Controller::note_stopped(std::int64_t steps_done, int signal) {
  if (transport_.rank() != 0) return;
  progress_->emit("stopped", {{"step", steps_done}, {"signal", signal}});
  if (comparison_) return log_warning("stopped by signal " + std::to_string(signal) + " while verifying");
  progress_->say("");
  const auto where = steps_done == 0 ? std::string("before the first step")
                                     : "after step " + std::to_string(steps_done) + ", which is saved";
  log_warning("stopped by signal " + std::to_string(signal) + " (" + strsignal(signal) + ") " + where +
              "; the same command goes on from there");
}

void Controller::note_stopped_early(int signal) {
  if (transport_.rank() != 0) return;
  progress_->emit("stopped", {{"signal", signal}});
  progress_->say("");
  log_warning("stopped by signal " + std::to_string(signal) + " (" + strsignal(signal) +
              ") before there was anything to save; give the same command again");
}

void Controller::finish(const Workload& workload, const Plan& plan, std::int64_t steps_done,
                        const StateHashes& hashes, const Accuracy& accuracy, const Exchanged& exchanged,
                        const nlohmann::ordered_json& phases) {
  if (transport_.rank() != 0) return;
  const auto samples = static_cast<double>(workload.micro_batches * workload.micro_batch_size);
  const auto steps = static_cast<double>(step_seconds_.size());
  const auto in_steps = std::accumulate(step_seconds_.begin(), step_seconds_.end(), 0.0);
  nlohmann::ordered_json result = {{"state_hash", hashes.state.hex()},
                                   {"weights_hash", hashes.array.at("weights").hex()},
                                   {"steps", steps_done},
                                   {"ranks", transport_.world_size()}};
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

void Controller::tell(const std::string& event, const nlohmann::ordered_json& fields,
                      const std::string& text) {
  progress_->emit(event, fields);
  progress_->say(text);
}

void Controller::show_finished() {
  if (transport_.rank() != 0) return;
  forget_refused_start(std::exchange(starting_, ""));
  const auto result = folder_->result();
  progress_->say("nothing is left to do: the run is complete");
  progress_->emit("result", result);
  show_result(result);
}

void Controller::show_result(const json& result) const {
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
