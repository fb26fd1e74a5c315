// The functions behind the rules between parameters. The list of rules, in rules.cpp, refers to them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>

#include "configs/registry.hpp"

namespace lockstep {

/// What is wrong; nothing if the rule holds.
using Broken = std::optional<Problem>;

// schedule_rules.cpp: the learning rate over the run.
Broken one_warmup(const Config& config);
Broken warmup_within_run(const Config& config);
Broken schedule_lowers(const Config& config);
Broken step_is_reached(const Config& config);
Broken milestones_rise(const Config& config);
Broken cooldown_leaves_time(const Config& config);
Broken onecycle_warms_up_itself(const Config& config);
Broken swa_starts_in_time(const Config& config);
Broken swa_lr_has_no_cooldown(const Config& config);

// step_rules.cpp: the steps: batches, losses, optimizers and number formats.
Broken micro_batch_divides_batch(const Config& config);
Broken samples_fill_a_step(const Config& config);
Broken repeats_fill_the_batch(const Config& config);
Broken one_clipping(const Config& config);
Broken metric_is_there(const Config& config);
Broken nesterov_has_momentum(const Config& config);
Broken explicit_weights_are_given(const Config& config);
Broken scale_has_fp16(const Config& config);
Broken int8_is_trained_in_float32(const Config& config);
Broken sophia_in_full_range(const Config& config);
Broken sophia_samples_labels(const Config& config);

// model_rules.cpp: models, images and the run itself.
Broken mlp_has_hidden_layer(const Config& config);
Broken paths_can_be_dropped(const Config& config);
Broken gammas_are_there(const Config& config);
Broken patches_are_cut(const Config& config);
Broken mean_and_std_match(const Config& config);
Broken one_random_policy(const Config& config);
Broken one_crop(const Config& config);
Broken address_is_one(const Config& config);

inline std::string number(std::int64_t value) { return std::to_string(value); }

/// For rules whose problem does not depend on how they are broken.
inline Broken unless(bool kept, const Problem& problem) {
  return kept ? std::nullopt : std::optional(problem);
}

inline bool is_one_of(const std::string& name, std::initializer_list<const char*> names) {
  return std::ranges::count(names, name) > 0;
}

}  // namespace lockstep
