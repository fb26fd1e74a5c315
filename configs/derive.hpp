// Values derived from the configuration alone, never from the world size, the machine or a clock.
#pragma once

#include <cstdint>
#include <string>

#include "configs/config.hpp"

namespace lockstep {

/// The run folder, as given: `asked`, which is that of the command line, or else run.output, or else
/// runs/NAME.
std::string run_folder(const Config& config, const std::string& asked);

/// batch_size * gradient_accumulation_steps.
std::int64_t samples_per_step(const Config& config);

/// optimizer.learning_rate for the samples of a step, by optimizer.lr_scaling: in proportion to them (Goyal
/// et al. 2017, section 2.1) or to their root (Krizhevsky 2014, section 5).
double scaled_learning_rate(const Config& config);
/// Whether early stopping watches the moving average instead of the weights.
bool watches_average(const Config::Training& settings);

/// averaging.swa_start_epoch, or three quarters of the epochs.
std::int64_t swa_start_epoch(const Config& config);

/// Samples in each micro-batch; divides training.batch_size. For "auto" the largest divisor of the batch size
/// from 8 to 32 that leaves 8 micro-batches or more in a step; if there is none, the smallest divisor from 8
/// to 32; if there is none either (batches under 8, or without such a divisor), the largest divisor under 8.
std::int64_t resolved_micro_batch_size(const Config& config);

/// K = batch_size * gradient_accumulation_steps / micro-batch size: the number of leaves of the tree by
/// which gradients are summed.
std::int64_t micro_batches_per_step(const Config& config);

}  // namespace lockstep
