#include "worker/controller/report.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "common/log.hpp"
#include "common/refused_start.hpp"
#include "configs/derive.hpp"
#include "configs/value.hpp"
#include "worker/controller/accuracy_text.hpp"
#include "worker/controller/comparison.hpp"
#include "worker/controller/median.hpp"
#include "worker/controller/orders.hpp"
#include "worker/evaluation/evaluate.hpp"
#include "worker/watch/rank_report.hpp"

namespace lockstep {

using nlohmann::json;

void RunReport::open(std::unique_ptr<RunFolder> folder, std::vector<std::string> warnings,
                     std::string token) {
  folder_ = std::move(folder);
  warnings_ = std::move(warnings);
  token_ = std::move(token);
}

void RunReport::note_places(std::vector<RankPlace> places) {
  places_ = std::move(places);
  if (speaks()) std::ranges::for_each(warnings_about(places_), log_warning);
}

void RunReport::open_for_watchers(const Workload& workload, const Plan& plan, std::int64_t step) {
  const auto& settings = workload.config.run;
  if (settings.prometheus_port != 0)
    endpoint_ = std::make_unique<MetricsEndpoint>(settings, token_, world_size_, plan.output);
  if (!settings.tensorboard) return;
  events_ = std::make_unique<EventFile>(plan.output, step);
  events_->add_settings(workload.config);
}

void RunReport::require_no_lost_checkpoint(const Workload& workload) const {
  if (folder_ && !comparison_) folder_->require_no_lost_checkpoint(workload.extent.steps_per_epoch);
}

void RunReport::warn_of_idle_ranks(const Workload& workload) const {
  const auto ranks = world_size_;
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

void RunReport::begin(const Workload& workload, const Plan& plan, const TrainingState& state) {
  if (!speaks() || comparison_) return;
  has_begun_ = true;
  forget_refused_start(folder_->path());
  warn_of_idle_ranks(workload);
  std::ranges::for_each(warnings_, log_warning);
  folder_->rewind_metrics(state.step);
  folder_->note_working_directory(plan.config);
  for (const auto& line : lines_of(places_)) progress_->say(line);
  progress_->emit("map", {{"ranks", json_of(places_)}});
  open_for_watchers(workload, plan, state.step);
  progress_->say(workload.config.model.name + ", " + std::to_string(workload.layout.parameter_count()) +
                 " parameters; " + std::to_string(workload.data.train.count) + " training images; " +
                 std::to_string(world_size_) + " ranks, " + std::to_string(workload.micro_batches) +
                 " micro-batches of " + std::to_string(workload.micro_batch_size) + " a step");
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
                            {"ranks", world_size_},
                            {"learning_rate", scaled_learning_rate(workload.config)},
                            {"learning_rate_scaling", scaling},
                            {"mixed_precision", workload.precision.name()},
                            {"plan_hash", plan.hash().hex()}});
}

void RunReport::note_step(const Workload& workload, const TrainingState& state, const StepSums& sums,
                          double learning_rate, double seconds) {
  if (!speaks()) return;
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
  if (!logs_after(workload, steps_done)) return;
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

void RunReport::record(const std::string& event, const nlohmann::ordered_json& line) {
  if (comparison_) return comparison_->line(line);
  if (folder_) folder_->append_metrics(line);
  if (events_) events_->add(line);
  progress_->emit(event, line);
}

/// After an epoch or more; at the first evaluation that shows it, and at the end.
void RunReport::warn_of_guessing(const Workload& workload, std::int64_t steps_done,
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

void RunReport::note_accuracy(const Workload& workload, std::int64_t steps_done, const Accuracy& accuracy) {
  if (!speaks()) return;
  const auto epoch = steps_done == 0 ? 0 : workload.epoch_of(steps_done - 1) + 1;
  nlohmann::ordered_json line = {{"step", steps_done}, {"epoch", epoch}};
  add_accuracy(line, accuracy);
  if (endpoint_) endpoint_->note_accuracy(accuracy);
  record("evaluation", line);
  progress_->say("step " + std::to_string(steps_done) + ": test accuracy " + in_words(accuracy));
  warn_of_guessing(workload, steps_done, accuracy.raw);
}

void RunReport::note_early_stop(std::int64_t steps_done, const Decisions& decisions) {
  if (!speaks() || comparison_) return;
  const auto epochs = std::to_string(decisions.epochs_since_best);
  progress_->emit("early_stop", {{"step", steps_done}, {"epochs_since_best", decisions.epochs_since_best}});
  progress_->say("early stopping: no improvement for " + epochs + " epochs");
}

void RunReport::note_saved(const Saved& saved) {
  if (!speaks()) return;
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
void RunReport::compare_with_grace(double save_seconds) {
  const char* const grace = std::getenv("LOCKSTEP_GRACE_SECONDS");
  if (!grace || warned_of_grace_ || save_seconds <= std::atof(grace)) return;
  warned_of_grace_ = true;
  log_warning("a checkpoint took " + std::to_string(std::llround(save_seconds)) + " s, and Slurm leaves " +
              grace +
              " s (a run that is ended may lose the steps since its last checkpoint) raise "
              "--signal-seconds of lockstep submit, or the partition's GraceTime");
}

void RunReport::note_stopped(std::int64_t steps_done, int signal) {
  if (!speaks()) return;
  progress_->emit("stopped", {{"step", steps_done}, {"signal", signal}});
  if (comparison_) return log_warning("stopped by signal " + std::to_string(signal) + " while verifying");
  progress_->say("");
  const auto where = steps_done == 0 ? std::string("before the first step")
                                     : "after step " + std::to_string(steps_done) + ", which is saved";
  log_warning("stopped by signal " + std::to_string(signal) + " (" + strsignal(signal) + ") " + where +
              "; the same command goes on from there");
}

void RunReport::note_stopped_early(int signal) {
  if (!speaks()) return;
  progress_->emit("stopped", {{"signal", signal}});
  progress_->say("");
  log_warning("stopped by signal " + std::to_string(signal) + " (" + strsignal(signal) +
              ") before there was anything to save; give the same command again");
}

void RunReport::tell(const std::string& event, const nlohmann::ordered_json& fields,
                     const std::string& text) {
  progress_->emit(event, fields);
  progress_->say(text);
}

}  // namespace lockstep
