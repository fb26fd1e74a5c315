#include "worker/watch/phase_clock.hpp"

#include <algorithm>
#include <utility>

#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

bool keeps_its_waiting(Phase phase) { return phase == Phase::checkpoint || phase == Phase::evaluation; }

double milliseconds_a_step(Clock::duration duration, std::int64_t steps) {
  return std::chrono::duration<double, std::milli>(duration).count() /
         static_cast<double>(std::max<std::int64_t>(steps, 1));
}

}  // namespace

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
  for (const auto phase : computing_phases) sum += spent_[index_of(phase)];
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
  if (trace_) trace_->add(phase_name(phase_), Trace::Thread::main, phase_begin_, now);
  stamp_phase(phase, spent);
  phase_ = phase;
  phase_begin_ = now;
  waited_before_ = time_waited();
}

void PhaseClock::count(Phase phase, Clock::duration spent, Clock::duration waited) {
  waited = std::min(waited, spent);  // while the host waits, the GPU may still be in an earlier phase
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
    trace_->add(phase_name(*phase), Trace::Thread::gpu, begin, *moment);
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

}  // namespace lockstep
