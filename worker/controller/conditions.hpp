// What the bits of a run come from besides its plan, which a checkpoint's manifest keeps: data, teacher,
// device, libraries.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/hash.hpp"
#include "worker/controller/plan.hpp"
#include "worker/ranks/compute.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// The hash of the weights that teach; empty without distillation.teacher.
std::string teacher_hash(const Workload& workload);

/// What a manifest says of them (docs/checkpoint_format.md).
nlohmann::json conditions_of(const Workload& workload, const Compute& compute, const Plan& plan);

/// Throws Error where a run cannot go on under the conditions `now` from a checkpoint with this manifest:
/// other data or another teacher; or, unless reliability.resume_on_other_device, other devices, drivers or
/// libraries. Another build is a warning, if `speak`.
void compare_with_checkpoint(const nlohmann::json& manifest, const nlohmann::json& now, const Plan& plan,
                             bool speak);

/// Collective: throws Error (corrupt), which names the ranks that are wrong and their hosts, where the ranks
/// have not come to the same bits in the fixed micro-batch. `at_checkpoint`: the hash in the manifest, whose
/// side is right; "" where there is none. `step`: steps done. Leaves the hosts that are certainly wrong in
/// RUN/status/set_aside.json.
void require_same_bits(Transport& transport, const Hash128& own, const std::string& at_checkpoint,
                       std::int64_t step, const Plan& plan);

/// Throws Error (config), unless reliability.resume_on_other_device, where the ranks agree on the bits of the
/// fixed micro-batch, and they are not those that the manifest has.
void require_bits_of_checkpoint(const nlohmann::json& manifest, const Hash128& own, const Plan& plan);

}  // namespace lockstep
