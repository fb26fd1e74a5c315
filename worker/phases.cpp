#include "worker/phases.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "worker/stamps.hpp"

namespace lockstep {
namespace {

constexpr std::array<const char*, phase_count> names = {"data",   "forward",    "backward",   "exchange",
                                                        "update", "checkpoint", "evaluation", "other"};

std::size_t index_of(Phase phase) { return static_cast<std::size_t>(phase); }

bool keeps_its_waiting(Phase phase) { return phase == Phase::checkpoint || phase == Phase::evaluation; }

double milliseconds_a_step(Clock::duration duration, std::int64_t steps) {
  return std::chrono::duration<double, std::milli>(duration).count() /
         static_cast<double>(std::max<std::int64_t>(steps, 1));
}

constexpr std::array computing = {Phase::data, Phase::forward, Phase::backward, Phase::update};

// Places in a report.
constexpr std::size_t signal_place = 0, saving_place = 1, times_place = 2;

/// What a rank computes while nobody waits for it or keeps it waiting.
double computing_ms(const std::vector<double>& report) {
  double sum = 0;
  for (const auto phase : computing) sum += report[times_place + index_of(phase)];
  return sum;
}

double median_over_ranks(const Reports& reports, std::size_t place) {
  std::vector<double> values;
  for (const auto& report : reports) values.push_back(report[place]);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

const char* phase_name(Phase phase) { return names[index_of(phase)]; }

PhaseClock::PhaseClock(const Transport& host, const Transport& gradients, Trace* trace, GpuClock* gpu)
    : host_(host), gradients_(gradients), trace_(trace), gpu_(gpu), phase_begin_(Clock::now()) {
  waited_before_ = time_waited();
  if (gpu_) gpu_phase_begin_ = gpu_->start();
}

Clock::duration PhaseClock::time_waited() const {
  return &host_ == &gradients_ ? host_.time_waited() : host_.time_waited() + gradients_.time_waited();
}

Clock::duration PhaseClock::time_computed() const {
  Clock::duration sum{};
  for (const auto phase : computing) sum += spent_[index_of(phase)];
  return sum;
}

void PhaseClock::begin_step() {
  ++steps_;
  phase_ = Phase::other;
  step_begin_ = phase_begin_ = Clock::now();
  waited_before_ = time_waited();
  if (!gpu_) return;
  gpu_->mark();
  ended_.push_back({std::nullopt, {}});
}

void PhaseClock::enter(Phase phase) {
  const auto now = Clock::now();
  const auto spent = now - phase_begin_;
  const auto waited = keeps_its_waiting(phase_) ? Clock::duration{} : time_waited() - waited_before_;
  if (gpu_) {
    gpu_->mark();
    ended_.push_back({phase_, waited});
  } else {
    count(phase_, spent, waited);
  }
  if (trace_) trace_->add(names[index_of(phase_)], Trace::Thread::main, phase_begin_, now);
  stamp_phase(phase, spent);
  phase_ = phase;
  phase_begin_ = now;
  waited_before_ = time_waited();
}

void PhaseClock::count(Phase phase, Clock::duration spent, Clock::duration waited) {
  waited = std::min(waited, spent);  // while the host waits, the GPU may still be at an earlier phase
  spent_[index_of(phase)] += spent - waited;
  spent_[index_of(Phase::exchange)] += waited;
  spent_.back() += waited;
}

void PhaseClock::count_what_the_gpu_has_done() {
  while (!ended_.empty()) {
    const auto moment = gpu_->next();
    if (!moment) return;
    const auto [phase, waited, step] = ended_.front();
    ended_.pop_front();
    const auto begin = std::exchange(gpu_phase_begin_, *moment);
    if (!phase) {
      gpu_step_begin_ = *moment;
      continue;
    }
    count(*phase, *moment - begin, waited);
    if (!trace_) continue;
    trace_->add(names[index_of(*phase)], Trace::Thread::gpu, begin, *moment);
    if (step >= 0)
      trace_->add("step " + std::to_string(step), Trace::Thread::gpu, gpu_step_begin_, *moment, step);
  }
}

void PhaseClock::end_step(std::int64_t step) {
  enter(Phase::other);
  if (gpu_) {
    ended_.back().step = step;
    count_what_the_gpu_has_done();
  }
  stamp_step(step, time_computed());
  if (!trace_) return;
  trace_->add("step " + std::to_string(step), Trace::Thread::main, step_begin_, phase_begin_, step);
  trace_->end_step();
}

PhaseTimes PhaseClock::lap() {
  enter(phase_);
  if (gpu_) count_what_the_gpu_has_done();
  PhaseTimes times;
  const auto steps = steps_ - std::exchange(steps_before_lap_, steps_);
  const auto before = std::exchange(spent_before_lap_, spent_);
  for (std::size_t i = 0; i < phase_count; ++i)
    times.ms[i] = milliseconds_a_step(spent_[i] - before[i], steps);
  times.exposed_ms = milliseconds_a_step(spent_.back() - before.back(), steps);
  return times;
}

PhaseTimes PhaseClock::total() {
  if (gpu_) {
    gpu_->finish();
    count_what_the_gpu_has_done();
  }
  PhaseTimes times;
  for (std::size_t i = 0; i < phase_count; ++i) times.ms[i] = milliseconds_a_step(spent_[i], steps_);
  times.exposed_ms = milliseconds_a_step(spent_.back(), steps_);
  return times;
}

std::vector<double> report_of(int signal, double saving_status, const PhaseTimes& times) {
  std::vector<double> report = {static_cast<double>(signal), saving_status};
  report.insert(report.end(), times.ms.begin(), times.ms.end());
  report.push_back(times.exposed_ms);
  return report;
}

double phase_ms(const std::vector<double>& report, Phase phase) {
  return report[report.size() - 1 - phase_count + index_of(phase)];  // the exposed part is the last
}

std::vector<double> saving_statuses(const Reports& reports) {
  std::vector<double> statuses;
  for (const auto& report : reports) {
    if (report.size() > saving_place) statuses.push_back(report[saving_place]);
  }
  return statuses;
}

int signal_in(const Reports& reports) {
  double signal = 0;
  for (const auto& report : reports) signal = std::max(signal, report[signal_place]);
  return static_cast<int>(signal);
}

nlohmann::ordered_json phase_columns(const Reports& reports) {
  auto columns = nlohmann::ordered_json::object();
  if (reports.empty() || reports.front().size() <= times_place) return columns;
  for (std::size_t i = 0; i < phase_count; ++i)
    columns[std::string(names[i]) + "_ms"] = median_over_ranks(reports, times_place + i);
  columns["exposed_ms"] = median_over_ranks(reports, times_place + phase_count);
  const auto slowest = std::ranges::max_element(reports, {}, computing_ms);
  columns["slowest_rank"] = slowest - reports.begin();
  columns["slowest_ms"] = computing_ms(*slowest);
  return columns;
}

std::string phases_in_words(const nlohmann::json& columns) {
  double sum = 0;
  std::vector<std::pair<double, std::string>> parts;
  for (const auto* name : names) {
    const auto ms = columns.value(std::string(name) + "_ms", 0.0);
    sum += ms;
    parts.emplace_back(ms, name);
  }
  if (sum == 0) return "";
  std::ranges::stable_sort(parts, std::ranges::greater(), [](const auto& part) { return part.first; });
  const auto percent = [&](double ms) {
    char text[16];
    std::snprintf(text, sizeof text, "%.*f %%", ms < sum / 100 ? 1 : 0, 100 * ms / sum);
    return std::string(text);
  };
  std::string words;
  for (const auto& [ms, name] : parts) {
    if (ms < sum / 2000) continue;
    words += (words.empty() ? "" : ", ") + name + " " + percent(ms);
    if (name == "exchange") words += " (waiting " + percent(columns.value("exposed_ms", 0.0)) + ")";
  }
  return words;
}

}  // namespace lockstep
