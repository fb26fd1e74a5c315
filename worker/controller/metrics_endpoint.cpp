#include "worker/controller/metrics_endpoint.hpp"

#include <arpa/inet.h>
#include <prometheus/client_metric.h>
#include <prometheus/collectable.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "common/build_identity.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "common/rank_status.hpp"
#include "configs/file.hpp"
#include "configs/registry.hpp"
#include "configs/text.hpp"
#include "worker/controller/metrics_server.hpp"

namespace lockstep {

using prometheus::Labels;

namespace {

/// The GPUs of all ranks, as their sentinels have written last.
class GpuFigures : public prometheus::Collectable {
 public:
  GpuFigures(std::string run, std::string name) : run_(std::move(run)), name_(std::move(name)) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const auto statuses = read_rank_statuses(run_);
    std::vector<prometheus::MetricFamily> families;
    const auto add = [&](const char* name, const char* help, auto value) {
      prometheus::MetricFamily family{name, help, prometheus::MetricType::Gauge, {}};
      for (const auto& status : statuses) {
        const auto& health = status.gpu.health;
        if (!status.gpu.exists() || !health.told) continue;
        prometheus::ClientMetric sample;
        sample.label = {{"run", name_},
                        {"rank", std::to_string(status.rank)},
                        {"host", status.host},
                        {"gpu", status.gpu.name()}};
        sample.gauge.value = static_cast<double>(value(health));
        family.metric.push_back(std::move(sample));
      }
      if (!family.metric.empty()) families.push_back(std::move(family));
    };
    using H = GpuHealth;
    add("lockstep_gpu_temperature_celsius", "Of the rank's GPU.",
        [](const H& h) { return h.temperature_celsius; });
    add("lockstep_gpu_power_watts", "What it draws.", [](const H& h) { return h.power_watts; });
    add("lockstep_gpu_sm_clock_hertz", "The clock of its multiprocessors.",
        [](const H& h) { return 1e6 * h.sm_clock_mhz; });
    add("lockstep_gpu_memory_used_bytes", "Of all programs on it.",
        [](const H& h) { return h.memory_used_bytes; });
    add("lockstep_gpu_memory_bytes", "What it has.", [](const H& h) { return h.memory_bytes; });
    add("lockstep_gpu_throttles", "1 while heat or power slows it down.",
        [](const H& h) { return slowed_by(h).empty() ? 0 : 1; });
    add("lockstep_gpu_throttled_seconds", "How long that has been so in this process.",
        [](const H& h) { return h.throttled_seconds; });
    add("lockstep_gpu_uncorrected_errors", "Of ECC since the driver was loaded.",
        [](const H& h) { return h.uncorrected_errors; });
    add("lockstep_gpu_corrected_errors", "Of ECC since the driver was loaded.",
        [](const H& h) { return h.corrected_errors; });
    add("lockstep_gpu_repair_pending", "1 while bad memory waits for a reset.",
        [](const H& h) { return h.repair_pending ? 1 : 0; });
    add("lockstep_gpu_last_xid", "The last error that the driver has reported; 0: none.",
        [](const H& h) { return h.xids.empty() ? 0 : h.xids.back(); });
    return families;
  }

 private:
  std::string run_, name_;
};

/// What the label "run" says: labels are UTF-8, whatever the folder's name is.
std::string label_of(const std::string& run) {
  return on_one_line(std::filesystem::path(run).filename().string());
}

bool is_loopback(const std::string& address) { return address == "::1" || address.starts_with("127."); }

}  // namespace

std::string prometheus_token(const Config::Run& settings) {
  const auto& path = settings.prometheus_token_file;
  if (path.empty() || settings.prometheus_port == 0) return "";
  const std::string setting = "run.prometheus_token_file";
  std::error_code none;
  const auto content = std::filesystem::is_regular_file(path, none)
                           ? read_small_file(path)
                           : FileContent(Problem{"", "it is not a file", ""});
  if (const auto* problem = std::get_if<Problem>(&content))
    throw Error(ExitCode::config, setting + ": cannot read " + path + " on " + host_name(), problem->why,
                "rank 0 reads it: write the token there, or name another file");
  auto token = std::get<std::string>(content);
  while (token.ends_with('\n') || token.ends_with('\r')) token.pop_back();
  const bool is_token =
      !token.empty() && std::ranges::all_of(token, [](unsigned char c) { return c > ' ' && c < 0x7f; });
  if (!is_token)
    throw Error(ExitCode::config, setting + ": " + path + " holds no token",
                "it is one line of letters, digits and signs, without spaces",
                "make one, for example with: openssl rand -hex 32 > " + path);
  return token;
}

/// Every figure under its name; those with labels come up when they are first set.
struct MetricsEndpoint::Served {
  Served(const Config::Run& settings, const std::string& token, const std::string& run)
      : name(label_of(run)),
        gpus(run, name),
        server(settings.prometheus_address, settings.prometheus_port, token, [this] { return text(); }) {}

  void set(const char* figure, const char* help, double value, const Labels& labels = {}) {
    prometheus::BuildGauge()
        .Name(figure)
        .Help(help)
        .Labels({{"run", name}})
        .Register(registry)
        .Add(labels)
        .Set(value);
  }

  std::string text() const {
    auto families = registry.Collect();
    for (auto& family : gpus.Collect()) families.push_back(std::move(family));
    std::ostringstream out;
    prometheus::TextSerializer().Serialize(out, families);
    return out.str();
  }

  std::string name;
  prometheus::Registry registry;
  GpuFigures gpus;
  prometheus::Histogram& step_seconds =
      prometheus::BuildHistogram()
          .Name("lockstep_step_duration_seconds")
          .Help("How long steps took.")
          .Labels({{"run", name}})
          .Register(registry)
          .Add({}, prometheus::Histogram::BucketBoundaries{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                           0.5, 1, 2.5, 5, 10, 25, 50, 100});
  MetricsServer server;  ///< last: it reads the others
};

MetricsEndpoint::MetricsEndpoint(const Config::Run& settings, const std::string& token, int world_size,
                                 const std::string& run) {
  const auto& address = settings.prometheus_address;
  try {
    served_ = std::make_unique<Served>(settings, token, run);
  } catch (const std::system_error& failure) {
    log_warning("nothing is served for Prometheus: cannot listen on port " +
                std::to_string(settings.prometheus_port) + " of " + address + " (" +
                failure.code().message() +
                ") set run.prometheus_port to a free one, and run.prometheus_address to one of this host");
    return;
  }
  if (token.empty() && !is_loopback(address))
    log_warning(
        "whoever reaches " + address + " of " + host_name() +
        " reads the figures of this run (run.prometheus_token_file is empty) write a token into a file "
        "and name it there");
  served_->set("lockstep_build_info", "The build that runs; always 1.", 1, {{"build", build_identity()}});
  served_->set("lockstep_world_size", "Ranks of the job.", world_size);
}

MetricsEndpoint::~MetricsEndpoint() = default;

void MetricsEndpoint::note_step(const StepFigures& figures) {
  if (!served_) return;
  served_->step_seconds.Observe(figures.seconds);
  const auto set = [&](const char* name, const char* help, auto value) {
    served_->set(name, help, static_cast<double>(value));
  };
  set("lockstep_step", "Steps done.", figures.step);
  set("lockstep_last_step", "The step with which the run ends.", figures.last_step);
  set("lockstep_epoch", "The epoch of the last step, from 1.", figures.epoch);
  set("lockstep_skipped_steps", "Steps whose gradients overflowed, so that no weight changed.",
      figures.skipped_steps);
  set("lockstep_loss", "The training loss of the last step.", figures.loss);
  set("lockstep_train_accuracy", "The share of the last step's samples that were recognised.",
      figures.train_accuracy);
  set("lockstep_learning_rate", "The learning rate of the last step.", figures.learning_rate);
  set("lockstep_gradient_norm", "The norm of the last step's gradient before clipping.",
      figures.gradient_norm);
  set("lockstep_images_per_second", "Training images in the last step by its time.",
      figures.images_per_second);
}

void MetricsEndpoint::note_phases(std::span<const RankReport> reports) {
  if (!served_) return;
  for (std::size_t rank = 0; rank < reports.size(); ++rank) {
    for (std::size_t i = 0; i < phase_count; ++i) {
      served_->set("lockstep_phase_seconds", "Time of an average step by rank and phase.",
                   reports[rank].details->times.ms[i] / 1e3,
                   {{"rank", std::to_string(rank)}, {"phase", phase_name(static_cast<Phase>(i))}});
    }
  }
}

void MetricsEndpoint::note_accuracy(const Accuracy& accuracy) {
  if (!served_) return;
  const auto set = [&](const char* weights, const Evaluation& evaluation) {
    served_->set("lockstep_test_accuracy", "The share of the test samples that are recognised.",
                 evaluation.accuracy(), {{"weights", weights}});
    served_->set("lockstep_test_loss", "The mean cross entropy of the test samples.", evaluation.loss,
                 {{"weights", weights}});
  };
  set("raw", accuracy.raw);
  if (accuracy.ema) set("ema", *accuracy.ema);
  if (accuracy.swa) set("swa", *accuracy.swa);
}

void MetricsEndpoint::note_saved(const Saved& saved) {
  if (!served_) return;
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  served_->set("lockstep_checkpoint_step", "The step of the newest checkpoint.",
               static_cast<double>(saved.step));
  served_->set("lockstep_checkpoint_timestamp_seconds", "When it was published, since 1970.", now.count());
  served_->set("lockstep_checkpoint_stopped_seconds", "How long the steps stood still for it.",
               saved.stopped_seconds);
}

}  // namespace lockstep
