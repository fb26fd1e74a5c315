#include "worker/controller/orders.hpp"

#include <cmath>

#include "collectives/broadcast.hpp"
#include "worker/optim/averages.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

bool is_multiple(std::int64_t count, std::int64_t every) { return every > 0 && count % every == 0; }

}  // namespace

Orders next_orders(Transport& transport, const Workload& workload, const TrainingState& state) {
  Orders orders{};
  if (transport.rank() == 0) {
    const auto& config = workload.config;
    const auto step = state.step, done = step + 1;
    const auto t = static_cast<double>(done - state.decisions.skipped_steps);
    orders.scalars = {learning_rate_at(config, workload.extent, step, state.decisions.drops),
                      1.0 - std::pow(config.optimizer.beta1, t), 1.0 - std::pow(config.optimizer.beta2, t)};
    orders.ema_decay = ema_decay_at(config.averaging, step);
    orders.estimate_curvature =
        workload.optimizer.has_curvature && step % config.optimizer.sophia_every_steps == 0;
    orders.signal = asked_to_end();
    orders.stop = done >= workload.extent.last_step;
    const bool epoch_ends = done % workload.extent.steps_per_epoch == 0;
    const auto epochs = done / workload.extent.steps_per_epoch;
    orders.evaluate = evaluates_after(workload, done);
    orders.add_to_mean = epoch_ends && enters_mean(config, epochs);
    orders.save = orders.stop || is_multiple(done, config.checkpoint.every_steps) ||
                  (epoch_ends && is_multiple(epochs, config.checkpoint.every_epochs));
  }
  broadcast(transport, &orders, sizeof orders, 0);
  return orders;
}

bool judges_after(const Workload& workload, std::int64_t steps_done) {
  return is_multiple(steps_done, workload.extent.steps_per_epoch) && judges_epochs(workload.config);
}

bool evaluates_after(const Workload& workload, std::int64_t steps_done) {
  const auto steps_per_epoch = workload.extent.steps_per_epoch;
  return steps_done >= workload.extent.last_step || judges_after(workload, steps_done) ||
         (is_multiple(steps_done, steps_per_epoch) &&
          is_multiple(steps_done / steps_per_epoch, workload.config.training.evaluate_every_epochs));
}

bool logs_after(const Workload& workload, std::int64_t steps_done) {
  return steps_done == workload.extent.last_step ||
         is_multiple(steps_done, workload.config.training.log_every_steps);
}

}  // namespace lockstep
