#include "launcher/before_submission.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/small_file.hpp"
#include "common/trained.hpp"
#include "configs/load.hpp"
#include "configs/print.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

constexpr const char* all_the_same = ", or submit with --unchecked if the nodes see it";

void require_there(const std::string& key, const std::string& path) {
  if (path.empty() || access(path.c_str(), R_OK) == 0) return;
  throw Error(ExitCode::config, key + ": " + on_one_line(path) + " cannot be read on " + host_name(),
              std::string(std::strerror(errno)) + ", and the job would end with that",
              "correct the path" + std::string(all_the_same));
}

/// Nothing if there is no earlier run, or one that this version cannot read.
std::optional<Config> config_of_earlier_run(const std::string& run) {
  std::error_code none;
  if (!fs::is_regular_file(run + "/plan.json", none)) return std::nullopt;
  try {
    return config_from_json(read_file(run + "/plan.json"));
  } catch (const Error&) {  // the job reports it better, since it examines the whole folder
    return std::nullopt;
  }
}

void require_same_plan(const Config& config, const std::string& run) {
  if (nothing_is_trained(run)) return;
  const auto before = config_of_earlier_run(run);
  if (!before) return;
  auto wanted = config;  // these may grow; the job checks by how much
  wanted.training.epochs = before->training.epochs;
  wanted.training.max_steps = before->training.max_steps;
  const auto differing = differing_keys(*before, wanted);
  if (differing.empty()) return;
  throw Error(
      ExitCode::config, on_one_line(run) + " holds a run with another plan", joined(differing, "; "),
      "use the same settings, another --output, or --fresh, which keeps the old run under another name");
}

void require_writable(const std::string& run) {
  std::error_code none;
  if (!fs::exists(run, none) || access(run.c_str(), W_OK | X_OK) == 0) return;
  throw file_error("cannot write into the run folder", run, errno);
}

}  // namespace

void require_ready_for_job(const Config& config, const std::string& run, bool fresh) {
  require_there("data.path", config.data.path);
  require_there("model.pretrained", config.model.pretrained);
  require_there("distillation.teacher", config.distillation.teacher);
  if (config.run.prometheus_port != 0)
    require_there("run.prometheus_token_file", config.run.prometheus_token_file);
  if (!fresh) require_same_plan(config, run);
  require_writable(run);
}

}  // namespace lockstep
