#include "worker/controller/conditions.hpp"

#include <set>

#include "common/build_identity.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "configs/print.hpp"
#include "worker/audit/corruption.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

/// "cuDNN 9.19.0 there and 9.20.0 here", for all values that differ.
std::string differences(const json& there, const json& here) {
  std::set<std::string> keys;
  for (const auto* side : {&there, &here})
    for (const auto& item : side->items()) keys.insert(item.key());
  std::string text;
  for (const auto& key : keys) {
    const auto then = there.value(key, "none"), now = here.value(key, "none");
    if (then != now) text += (text.empty() ? "" : ", ") + key + " " + then + " there and " + now + " here";
  }
  return text;
}

/// Throws Error (config). To be verified, a run needs the conditions it was computed under; to be resumed, it
/// may be told to accept others.
void refuse_other_device(const Plan& plan, const std::string& problem, const std::string& why) {
  if (plan.task == Task::verify) {
    throw Error(ExitCode::config, "the run in " + plan.output + " " + problem, why,
                "verify it where devices, drivers and libraries are as they were");
  }
  if (plan.task != Task::train || plan.config.reliability.resume_on_other_device) return;
  throw Error(ExitCode::config, "the run in " + plan.output + " " + problem,
              why + ": its bits would differ from here on",
              "go on where there are such devices, or accept that with --set "
              "reliability.resume_on_other_device=true");
}

/// plan.json has been compared already, but it or the checkpoint may be missing, or be a copy from another
/// run.
void require_plan_of_checkpoint(const json& manifest, const Plan& plan) {
  if (!manifest.contains("config")) return;
  auto then = config_from_json(manifest["config"].dump());
  then.training.epochs = plan.config.training.epochs;  // these may have grown
  then.training.max_steps = plan.config.training.max_steps;
  std::string differing;
  for (const auto& key : differing_keys(then, plan.config))
    differing += (differing.empty() ? "" : "; ") + key;
  if (differing.empty()) return;
  throw Error(
      ExitCode::config, "the checkpoints in " + plan.output + " are of a run with another plan", differing,
      "use the settings they were saved with, or start over with --fresh, which keeps the old run under "
      "another name");
}

}  // namespace

std::string teacher_hash(const Workload& workload) {
  return workload.teacher ? workload.teacher->hash().hex() : "";
}

json conditions_of(const Workload& workload, const Compute& compute, const Plan& plan) {
  json now = {{"config", json::parse(to_json(plan.config))},  {"plan_hash", plan.hash().hex()},
              {"data_hash", workload.data.hash.hex()},        {"teacher_hash", teacher_hash(workload)},
              {"mixed_precision", workload.precision.name()}, {"device_class", compute.device_class},
              {"device_details", compute.device_details},     {"build", build_identity()}};
  if (!plan.grown_from.empty()) now["grown_from"] = plan.grown_from;
  return now;
}

void compare_with_checkpoint(const json& manifest, const json& now, const Plan& plan, bool speak) {
  if (plan.task == Task::train) require_plan_of_checkpoint(manifest, plan);
  const auto differs = [&](const char* key) {
    return manifest.value(key, "") != now[key].get<std::string>();
  };
  if (differs("data_hash")) {
    const bool verifies = plan.task == Task::verify;
    throw Error(verifies ? ExitCode::io : ExitCode::config,
                "the data in " + (plan.data.empty() ? plan.config.data.path : plan.data) +
                    " is not that of the run in " + plan.output,
                "its hash has changed since the checkpoint",
                plan.task != Task::train
                    ? "restore the data that the run had, or name what holds them with --data PATH"
                    : "restore the data, or start over with --fresh, which keeps the old run under "
                      "another name");
  }
  if (plan.task != Task::evaluate && differs("teacher_hash")) {
    throw Error(ExitCode::config, "the teacher in " + plan.config.distillation.teacher + " has changed",
                "its weights have another hash than at the checkpoint",
                "restore it, or start over with --fresh, which keeps the old run under another name");
  }
  const std::string device = now["device_class"], then = manifest.value("device_class", device);
  if (device != then)
    refuse_other_device(plan, "was computed on another class of device",
                        "on " + then + ", and here is " + device);
  const auto& details = now["device_details"];
  if (const auto other = differences(manifest.value("device_details", details), details); !other.empty())
    refuse_other_device(plan, "was computed with another driver, library or setting", other);
  if (speak && manifest.value("build", build_identity()) != build_identity()) {
    log_warning("the checkpoint was written by another build, " + manifest.value("build", "") + "; this is " +
                build_identity() + ": equal bits are promised for one build only");
  }
}

void require_same_bits(Transport& transport, const Hash128& own, const std::string& at_checkpoint,
                       std::int64_t step, const Plan& plan) {
  const auto results = gather_results(transport, {own});
  if (all_equal(results)) return;
  auto verdict = vote(results);
  Verdict apart{{}, true};  // who differ from the checkpoint
  for (const auto& result : results)
    if (result.hash.hex() != at_checkpoint) apart.suspects.push_back(result.rank);
  if (apart.suspects.size() < results.size()) verdict = apart;
  const auto corruption =
      corruption_of(transport, "in a micro-batch that all ranks compute before the first step",
                    "what it computes", step + 1, verdict);
  if (transport.rank() == 0 && plan.task == Task::train) set_aside(corruption, plan.output);
  throw error_of(corruption);
}

void require_bits_of_checkpoint(const json& manifest, const Hash128& own, const Plan& plan) {
  const auto then = manifest.value("probe_hash", own.hex());
  if (then == own.hex()) return;
  refuse_other_device(plan, "was computed by devices, drivers or libraries that come to other bits",
                      "a micro-batch that is the same at every start has the hash " + then +
                          " in the checkpoint, and on all ranks here " + own.hex());
}

}  // namespace lockstep
