#include "worker/verify.hpp"

#include <algorithm>
#include <filesystem>
#include <optional>

#include "common/log.hpp"
#include "common/stored_json.hpp"
#include "configs/print.hpp"
#include "worker/checkpoint/checkpoint.hpp"
#include "worker/controller/comparison.hpp"
#include "worker/controller/conditions.hpp"
#include "worker/data/sample_order.hpp"
#include "worker/evaluation/outcome.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/files/file.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/train.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

/// A segment and what it was computed with.
struct Part {
  Segment segment;
  Config config;
  std::string device_class;  ///< empty: not known
  std::string grown_from;    ///< Plan::grown_from
};

/// A moment of the run that something is known of.
struct Point {
  std::string checkpoint;  ///< empty: the start or the end
  std::int64_t step;
  json about;  ///< its manifest or result.json
};

std::vector<Point> kept_checkpoints(const std::string& run) {
  std::vector<Point> points;
  for (const auto& name : published_checkpoints(run + "/checkpoint")) {
    auto manifest = read_manifest(run + "/checkpoint/" + name + "/manifest.json");
    const auto step = manifest.at("step").get<std::int64_t>();
    points.insert(points.begin(), {name, step, std::move(manifest)});
  }
  return points;
}

/// The end of a finished run, unless that has gone on since.
std::optional<Point> end_of(const std::string& run, std::int64_t last_kept) {
  const auto path = run + "/result.json";
  if (!std::filesystem::exists(path)) return std::nullopt;
  auto result = stored_json(read_file(path));
  if (!has_types_of(result, {{"steps", 0}, {"plan_hash", ""}, {"grown_from", ""}}))
    throw Error(ExitCode::io, path + " is damaged", "it is no result of a run");
  const auto steps = whole_number(result, "steps", -1);
  if (steps < last_kept) return std::nullopt;
  return Point{"", steps, std::move(result)};
}

/// A manifest has the settings that its run had then; epochs, and what changes no result, may differ since.
Part part_between(const Point& from, const Point& to, const Config& now) {
  Part part{{from.checkpoint, to.checkpoint, from.step, to.step}, now, "", to.about.value("grown_from", "")};
  const bool one_plan = from.about.value("plan_hash", "") == to.about.value("plan_hash", "");
  const auto& about = to.about.contains("config") || !one_plan ? to.about : from.about;  // a result has none
  if (about.contains("config")) part.config = config_from_json(about["config"].dump());
  if (about.contains("device_class")) part.device_class = about["device_class"];
  part.config.run.trace = false;
  return part;
}

/// `count` of those in the middle, or all that there are, and those at the ends; in their order.
std::vector<Part> chosen(std::vector<Part> middle, std::int64_t count, std::int64_t choice) {
  const auto all = std::ssize(middle);
  const SampleOrder order(static_cast<std::uint64_t>(choice), 0, std::max<std::int64_t>(all, 1));
  std::vector<std::int64_t> places;
  for (std::int64_t i = 0; i < std::min(count, all); ++i) places.push_back(order.at(i));
  std::ranges::sort(places);
  std::vector<Part> parts;
  for (const auto place : places) parts.push_back(std::move(middle[static_cast<std::size_t>(place)]));
  return parts;
}

/// The step at which a run has grown, by Plan::grown_from; 0 where it never has.
std::int64_t grown_at(const std::string& grown_from) {
  constexpr std::string_view before = " at step ";
  const auto place = grown_from.rfind(before);
  return place == std::string::npos ? 0 : std::atoll(grown_from.c_str() + place + before.size());
}

/// Steps before that were computed with rates that only checkpoints of that time tell.
bool began_before_it_grew(const Part& part) {
  const auto step = grown_at(part.grown_from);
  const auto& segment = part.segment;
  if (step <= segment.begin) return false;
  log_warning("steps " + std::to_string(segment.begin + 1) + " .. " + std::to_string(segment.end) +
              " are not verified (the run has grown after step " + std::to_string(step) +
              ", and no checkpoint tells what it was before)");
  return true;
}

std::vector<Part> parts_to_verify(const Plan& plan, const Request& request) {
  const auto kept = kept_checkpoints(plan.output);
  std::vector<Part> middle;
  for (std::size_t i = 1; i < kept.size(); ++i)
    middle.push_back(part_between(kept[i - 1], kept[i], plan.config));
  auto parts = chosen(std::move(middle), request.segments, request.choice.value_or(plan.config.run.seed));
  const auto end = end_of(plan.output, kept.empty() ? 0 : kept.back().step);
  const Point start{"", 0, json::object()};
  if (request.from_start && (!kept.empty() || end))
    parts.insert(parts.begin(), part_between(start, kept.empty() ? *end : kept.front(), plan.config));
  if (end && !kept.empty()) parts.push_back(part_between(kept.back(), *end, plan.config));
  std::erase_if(parts, began_before_it_grew);
  if (!parts.empty()) return parts;
  throw Error(ExitCode::config, "there is nothing to compare in " + plan.output,
              "it has " + std::to_string(kept.size()) + " checkpoints and " + (end ? "a" : "no") + " result",
              kept.empty() && !end ? "train it further" : "verify it from its start with --from-start");
}

std::string to_text(const std::vector<Part>& parts) {
  json list = json::array();
  for (const auto& [segment, config, device_class, grown_from] : parts)
    list.push_back(
        {segment.from, segment.to, segment.begin, segment.end, to_json(config), device_class, grown_from});
  return list.dump();
}

std::vector<Part> from_text(const std::string& text) {
  std::vector<Part> parts;
  for (const auto& item : json::parse(text))
    parts.push_back({{item[0], item[1], item[2], item[3]}, config_from_json(item[4]), item[5], item[6]});
  return parts;
}

/// plan.json, which says what the run is, against the manifest; a run may grow.
void compare_plans(Comparison& comparison, const Part& part, const Config& now) {
  auto then = part.config;
  then.training.epochs = now.training.epochs;
  then.training.max_steps = now.training.max_steps;
  for (const auto& key : differing_keys(then, now))
    comparison.value(part.segment.begin, "plan.json", key, "as at the checkpoint");
}

void require_device(const Part& part, const Compute& compute) {
  if (part.device_class.empty() || part.device_class == compute.device_class) return;
  throw Error(ExitCode::config, "this run was computed on another class of device",
              "on " + part.device_class + ", and here is " + compute.device_class + ": its bits would differ",
              "verify it where there are such devices");
}

std::string name_of(const Segment& segment) {
  const auto to = segment.to.empty() ? "the end" : segment.to;
  return (segment.from.empty() ? "the start" : segment.from) + " to " + to;
}

void tell_of(RunReport& report, const Segment& segment, const Comparison& comparison, double seconds) {
  const auto differences = comparison.differences();
  const bool equal = differences.empty();
  nlohmann::ordered_json event = {{"from", segment.from},
                                  {"to", segment.to},
                                  {"first_step", segment.begin + 1},
                                  {"last_step", segment.end},
                                  {"lines", comparison.lines()},
                                  {"equal", equal},
                                  {"differences", differences.size()},
                                  {"seconds", seconds}};
  const auto steps = segment.begin == segment.end ? "no steps"
                                                  : "steps " + std::to_string(segment.begin + 1) + " .. " +
                                                        std::to_string(segment.end);
  auto text = name_of(segment) + ": " + steps +
              " computed again, lines of metrics: " + std::to_string(comparison.lines()) + ", " +
              (equal ? "all equal" : "NOT EQUAL");
  if (!equal) {
    const auto& first = differences.front();
    event["first"] = {{"step", first.step},
                      {"key", first.key},
                      {"recorded", first.recorded},
                      {"recomputed", first.recomputed}};
    text += ": first, at step " + std::to_string(first.step) + ", " + first.key + " is recorded as " +
            first.recorded.dump() + " and computed as " + first.recomputed.dump() + " (" +
            std::to_string(differences.size()) + " differences)";
  }
  report.tell("segment", event, text);
}

/// Collective, once the steps of the segment are computed again: the state against what the run has kept of
/// it, whose files are read too.
void compare_end(Run& run) {
  auto& mpi = run.job.mpi;
  const auto& plan = run.plan;
  const auto& workload = *run.workload;
  auto* const comparison = run.report.comparison();  // of rank 0
  const auto hashes = hash_state(mpi, run.state);
  if (!plan.segment.to.empty()) {
    if (comparison)
      comparison->state(conditions_of(workload, run.job.compute, plan), run.state.step, run.state.decisions,
                        hashes);
    load_checkpoint(mpi, run.state, checkpoints_of(plan) + "/" + plan.segment.to);
    return;
  }
  const auto outcome = outcome_of(run.job, workload, run.state, run.accuracy);
  run.report.finish(workload, plan, run.state.step, hashes, outcome.accuracy, {}, {});
  on_all_ranks(mpi, [&] {
    if (comparison) comparison->exports(hash_exports(workload, plan.output, outcome, run.state.step));
  });
}

/// Collective: computes the segment of `plan` again. Returns 0, or 128 + the signal that stopped it.
int compute_again(Job& job, RunReport& report, const Plan& plan) {
  const auto run = begin_run(job, report, plan, plan.segment.end);
  if (const int status = train(*run); status != 0) return status;
  try {
    compare_end(*run);
    return 0;
  } catch (const Interrupted& interrupted) {
    return stop(*run, interrupted.signal);
  }
}

}  // namespace

int verify_run(Job& job, RunReport& report, const Plan& plan, const Request& request) {
  auto& mpi = job.mpi;
  const bool speaks = mpi.rank() == 0;
  std::string text;
  on_all_ranks(mpi, [&] {
    if (speaks) text = to_text(parts_to_verify(plan, request));
  });
  const auto parts = from_text(gather_texts(mpi, text).front());
  std::int64_t unequal = 0;
  for (const auto& part : parts) {
    require_device(part, job.compute);
    const auto start = Clock::now();
    std::unique_ptr<Comparison> comparison;
    on_all_ranks(mpi, [&] {
      if (speaks) comparison = std::make_unique<Comparison>(plan.output, part.segment);
    });
    if (speaks) compare_plans(*comparison, part, plan.config);
    report.compare_with(comparison.get());
    const int status = compute_again(
        job, report, {part.config, Task::verify, plan.output, part.segment, plan.data, part.grown_from});
    report.compare_with(nullptr);
    if (status != 0) return status;
    if (!speaks) continue;
    if (!comparison->differences().empty()) ++unequal;
    tell_of(report, part.segment, *comparison, seconds_since(start));
  }
  if (speaks) {
    report.tell("verified", {{"run", plan.output}, {"segments", parts.size()}, {"unequal", unequal}},
                std::to_string(std::ssize(parts) - unequal) + " of " + std::to_string(parts.size()) +
                    " segments are what the plan computes");
  }
  on_all_ranks(mpi, [&] {
    if (unequal == 0) return;
    throw Error(ExitCode::io, plan.output + " is not what its plan computes",
                std::to_string(unequal) + " of " + std::to_string(parts.size()) + " segments are not equal",
                "the first difference of each is named above; trust no checkpoint from the first of them on");
  });
  return 0;
}

}  // namespace lockstep
