#include "worker/controller/controller.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>

#include "common/refused_start.hpp"
#include "configs/derive.hpp"
#include "configs/load.hpp"
#include "configs/usual_rates.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

/// At every start of a run, the configuration that `lockstep` has read and checked counts: the file may have
/// changed since, and a pipe is empty by now.
ResolvedConfig resolve(const std::string& path, std::span<const Override> overrides) {
  if (path.empty()) return load_defaults(overrides);
  const char* const text = std::getenv("LOCKSTEP_CONFIG_TEXT");
  return text ? load_content(path, text, overrides) : load_config(path, overrides);
}

/// Without a trailing slash, because the name RUN.1 beside it is made from it.
std::string normal_path(const fs::path& path) {
  const auto normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() || !normal.has_relative_path() ? normal : normal.parent_path();
}

}  // namespace

Plan Controller::plan_of_run(const std::string& path, Task task) const {
  Plan plan{config_of_run(path), task, path};
  plan.data = request_.data.empty() ? data_of_run(path, plan.config) : request_.data;
  return plan;
}

Plan Controller::make_plan() {
  if (!request_.run_to_evaluate.empty()) {
    return plan_of_run(normal_path(request_.run_to_evaluate), Task::evaluate);
  }
  if (!request_.run_to_verify.empty()) {
    return plan_of_run(normal_path(request_.run_to_verify), Task::verify);
  }
  std::vector<Override> overrides;
  for (const auto& setting : request_.settings) overrides.push_back(parse_override(setting));
  const auto resolved = resolve(request_.config, overrides);
  const auto output = normal_path(run_folder(resolved.config, request_.output));
  if (request_.check) return {resolved.config, Task::check, output};
  starting_ = output;
  auto token = prometheus_token(resolved.config.run);
  report_.open(std::make_unique<RunFolder>(output, resolved, request_.fresh), unusual_rates(resolved),
               std::move(token));
  return {resolved.config, report_.is_finished(resolved.config) ? Task::nothing : Task::train, output};
}

Plan Controller::plan() {
  auto plan = share_plan(transport_, [this] { return make_plan(); });
  if (transport_.rank() == 0) report_.start_progress();
  return plan;
}

void Controller::note_refused(ExitCode code, const std::string& text) const {
  if (starting_.empty() || report_.has_begun()) return;
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  keep_refused_start(starting_, {now.count(), static_cast<int>(code), text});
}

}  // namespace lockstep
