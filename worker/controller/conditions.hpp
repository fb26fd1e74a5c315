// What the bits of a run depend on besides its plan: data, teacher, device, libraries. A checkpoint's
// manifest records it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "common/hash.hpp"
#include "worker/controller/plan.hpp"
#include "worker/ranks/compute.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// The hash of the teacher's weights; empty without distillation.teacher.
std::string teacher_hash(const Workload& workload);

/// The conditions as a manifest records them (docs/checkpoint_format.md).
nlohmann::json conditions_of(const Workload& workload, const Compute& compute, const Plan& plan);

/// Throws Error if a run cannot resume under the conditions `now` from a checkpoint with this manifest: with
/// other data or another teacher; or, unless reliability.resume_on_other_device, with other devices, drivers
/// or libraries. For another build it only warns, if `speak`.
void compare_with_checkpoint(const nlohmann::json& manifest, const nlohmann::json& now, const Plan& plan,
                             bool speak);

/// Collective: throws Error (corrupt), which names the ranks that are wrong and their hosts, if the ranks
/// have not computed the same bits in the fixed micro-batch. `at_checkpoint`: the hash in the manifest; ranks
/// that have this hash are right. "" if there is none. `step`: steps done. In training, rank 0 adds the hosts
/// that are certainly wrong to RUN/status/set_aside.json. Throws CollectiveError.
void require_same_bits(Transport& transport, const Hash128& own, const std::string& at_checkpoint,
                       std::int64_t step, const Plan& plan);

/// For ranks that agree on the bits of the fixed micro-batch: throws Error (config) if these are not the bits
/// in the manifest, unless reliability.resume_on_other_device. Not collective.
void require_bits_of_checkpoint(const nlohmann::json& manifest, const Hash128& own, const Plan& plan);

}  // namespace lockstep
