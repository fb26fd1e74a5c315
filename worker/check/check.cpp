#include "worker/check/check.hpp"

#include <functional>
#include <memory>

#include "collectives/host_memory.hpp"
#include "worker/check/connectivity.hpp"
#include "worker/check/disk.hpp"
#include "worker/check/gpus.hpp"
#include "worker/check/hosts.hpp"
#include "worker/check/numerics_probe.hpp"
#include "worker/check/report.hpp"
#include "worker/controller/controller.hpp"
#include "worker/data/find_data.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/compute.hpp"
#include "worker/ranks/gpu_choice.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {
namespace {

/// What `look` has to say; an Error that it throws on all ranks is what was found.
void attempt(Report& report, const std::string& check, const std::function<std::string()>& look) {
  CheckResult finding{check};
  try {
    finding.summary = look();
  } catch (const CollectiveError&) {
    throw;
  } catch (const GpuFailure&) {
    throw;
  } catch (const Error& error) {
    finding.fail(error.what());
  }
  report.add(finding);
}

/// Of all checkpoints that are on disk at once.
std::int64_t checkpoint_bytes(const Workload& workload) {
  const auto& config = workload.config;
  const auto arrays = 1 + std::ssize(workload.optimizer.state_names) + config.averaging.model_ema +
                      config.averaging.use_swa +
                      (config.training.early_stopping && config.training.restore_best);
  return workload.layout.size() * static_cast<std::int64_t>(sizeof(float)) * arrays *
         (config.checkpoint.keep + 1);
}

/// Opens the data, and makes the model for them; null where that failed. Both are reported.
std::unique_ptr<Workload> check_workload(MpiTransport& transport, const Compute& compute,
                                         const Config& config, bool has_data, Report& report) {
  Dataset data;
  bool found = false;
  if (has_data) {
    attempt(report, "data", [&] {
      HostMemory memory(transport, config.distributed.shared_memory);
      data = open_dataset(transport, memory, config.data, remedy_in_training);
      require_same(transport, "the data", data.hash.hex(), "copy the same files to all hosts");
      found = true;
      return config.data.path + ": " + std::to_string(data.train.count) + " and " +
             std::to_string(data.test.count) + " images, hash " + data.hash.hex();
    });
  } else {
    report.add({"data", "no configuration was given", {}, CheckVerdict::skipped});
  }
  if (has_data && !found) {  // of the numerics something can be said all the same
    report.add({"model", "the data could not be opened", {}, CheckVerdict::skipped});
    return std::make_unique<Workload>(Config{}, blank_dataset(Config{}), compute.device);
  }
  std::unique_ptr<Workload> workload;
  attempt(report, "model", [&] {
    on_all_ranks(transport, [&] {
      workload =
          std::make_unique<Workload>(config, found ? std::move(data) : blank_dataset(config), compute.device);
    });
    return config.model.name + ", " + std::to_string(workload->layout.parameter_count()) + " parameters, " +
           std::to_string(workload->micro_batches) + " micro-batches of " +
           std::to_string(workload->micro_batch_size) + " a step";
  });
  return workload;
}

/// What is wrong with the configuration is a finding here too.
CheckResult look_at_numerics(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                             const Compute& compute, const Workload& workload) {
  try {
    return check_numerics(transport, hosts, compute, workload);
  } catch (const Error& error) {
    if (error.exit_code() != ExitCode::config) throw;
    CheckResult finding{"numerics"};
    finding.fail(error.what());
    return finding;
  }
}

void check_plan(MpiTransport& transport, const std::vector<CheckedHost>& hosts, const Plan& plan,
                const SetAside& aside, const Request& request, Report& report) {
  const auto& config = plan.config;
  const bool configured = !request.config.empty() || !request.settings.empty();
  Compute compute;
  bool computes = false;
  attempt(report, "devices", [&] {
    compute = choose_compute(transport, config, aside);
    computes = true;
    return compute.device_class;
  });
  transport.set_deadline(std::chrono::seconds(config.reliability.collective_timeout_seconds));
  const auto workload = computes ? check_workload(transport, compute, config, configured, report) : nullptr;
  const auto bytes = workload && workload->config == config ? checkpoint_bytes(*workload) : 0;
  if (configured || !request.output.empty())
    report.add(check_run_folder(transport, hosts, plan.output, bytes));
  else
    report.add({"run folder", "neither a configuration nor --output was given", {}, CheckVerdict::skipped});
  if (workload) report.add(look_at_numerics(transport, hosts, compute, *workload));
}

}  // namespace

int check_hosts(MpiTransport& transport, const Request& request) {
  const auto start = Clock::now();
  const auto hosts = hosts_of(transport);
  Report report(transport.rank());
  report.add(check_programs(transport));
  if (!report.failed()) {  // other programs would not understand one another
    Controller controller(transport, request);
    const auto plan = controller.plan();
    report.add(check_machines(transport, hosts, plan.config.distributed.threads_per_rank));
    const auto aside = share_set_aside(transport, plan.output);
    if (const auto gpus = check_gpus(transport, hosts)) report.add(*gpus);
    report.add(check_network(transport, hosts));
    report.add(check_clocks(transport, hosts));
    check_plan(transport, hosts, plan, aside, request, report);
  }
  report.finish(seconds_since(start));
  return report.failed() ? static_cast<int>(ExitCode::config) : 0;
}

}  // namespace lockstep
