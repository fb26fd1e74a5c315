#include "worker/check/gpus.hpp"

#include <cmath>

#include "collectives/gpu.hpp"
#include "common/nvml.hpp"
#include "common/rank_status.hpp"
#include "common/visible_gpus.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr double hot_celsius = 80;  // for a GPU that has nothing to do yet; most slow down from 85 to 90

json entry_of(RankGpu gpu, const std::string& name, const NvmlGpu* known) {
  json entry = {{"name", name}};
  if (known) {
    gpu.health = known->health();
    entry["processes"] = known->processes().size();
    entry["stays_initialised"] = known->stays_initialised();
  }
  entry["gpu"] = json::parse(to_text(gpu));
  return entry;
}

/// The GPUs that CUDA may use; if CUDA does not start, which a single lost GPU can cause, all that NVML
/// finds.
json own_gpus() {
  const Nvml nvml;
  json list = json::array();
  for (int device = 0; device < gpu_count(); ++device) {
    const RankGpu gpu{device, gpu_uuid(device), gpu_address(device), {}, "", {}};
    const auto known = nvml.gpu_at(gpu.address);
    list.push_back(entry_of(gpu, lockstep::gpu(device).name, known ? &*known : nullptr));
  }
  const auto all = nvml.gpus();
  const auto number = static_cast<int>(all.size());
  if (list.empty() && visible_gpus(number, cuda_visible_devices()) > 0) {
    for (int index = 0; index < number; ++index)
      list.push_back(entry_of({index, all[index].uuid(), all[index].address(), {}, "", {}}, all[index].name(),
                              &all[index]));
  }
  return {{"nvml", nvml.why_not()}, {"gpus", list}};
}

std::string counted(std::int64_t number, const std::string& noun) {
  return std::to_string(number) + " " + noun + (number == 1 ? "" : "s");
}

/// "n1: 8 GPUs, 31 to 38 C, driver 580.95.05"
std::string summary_of(const std::string& host, const std::vector<CheckedGpu>& gpus) {
  double coolest = 0, hottest = 0;
  std::string driver;
  for (const auto& checked : gpus) {
    const auto celsius = checked.gpu.health.temperature_celsius;
    if (celsius > 0) coolest = coolest == 0 ? celsius : std::min(coolest, celsius);
    hottest = std::max(hottest, celsius);
    driver = checked.gpu.health.driver;
  }
  const auto text = [](double celsius) { return std::to_string(std::lround(celsius)); };
  return host + ": " + counted(std::ssize(gpus), "GPU") +
         (hottest > 0 ? ", " + (coolest < hottest ? text(coolest) + " to " : "") + text(hottest) + " C"
                      : "") +
         (driver.empty() ? "" : ", driver " + driver);
}

}  // namespace

void judge_gpu(const CheckedGpu& checked, CheckResult& finding) {
  const auto& health = checked.gpu.health;
  const auto name = in_words(checked.gpu) + " of " + checked.host;
  const auto reset = "reset it (`nvidia-smi --gpu-reset -i " + checked.gpu.name() + "`)";
  if (health.lost)
    return finding.fail(
        name + " has fallen off the bus (NVML) reboot the host, and have its power and seat looked at");
  if (health.reset_required) return finding.fail(name + " does not work until it is reset (NVML) " + reset);
  if (health.repair_failed)
    finding.fail(name +
                 " is worn out (nothing is left to replace bad rows of its memory with) have it replaced");
  else if (health.repair_pending)
    finding.warn(name + " has bad memory (rows wait for a reset to be replaced) " + reset);
  else if (health.uncorrected_errors > 0)
    finding.warn(name + " has had bad memory (" +
                 counted(health.uncorrected_errors, "uncorrectable ECC error") +
                 " since the driver was loaded) " + reset + ", and have it replaced if that comes back");
  const auto celsius = std::to_string(std::lround(health.temperature_celsius)) + " C";
  if (const auto slow = slowed_by(health); !slow.empty())
    finding.warn(name + " throttles before it has anything to do (" + slow + ", at " + celsius +
                 ") all ranks wait for the slowest: see to its cooling and power");
  else if (health.temperature_celsius >= hot_celsius)
    finding.warn(name + " is hot before it has anything to do (" + celsius + ") see to its cooling");
  if (checked.processes > 0)
    finding.warn(name + " is in use (" + std::to_string(checked.processes) +
                 (checked.processes == 1 ? " other process" : " other processes") +
                 ", see `nvidia-smi`) they take its memory and time: end them, or leave it out with "
                 "CUDA_VISIBLE_DEVICES");
  if (!checked.stays_initialised)
    finding.warn(name +
                 " is set up anew for every program (persistence mode is off, and each start waits for it) "
                 "`nvidia-smi --persistence-mode=1`");
}

std::optional<CheckResult> check_gpus(MpiTransport& transport, const std::vector<CheckedHost>& hosts) {
  const bool speaks = host_spoken_for(hosts, transport.rank()) >= 0;
  const auto all = gather_json(transport, speaks ? own_gpus() : json::object());
  CheckResult finding{"gpus"};
  auto& list = finding.numbers["gpus"] = json::array();
  for (const auto& host : hosts) {
    const auto& told = all[static_cast<std::size_t>(host.ranks[0])];
    std::vector<CheckedGpu> gpus;
    for (const auto& entry : told["gpus"]) {
      gpus.push_back({host.name, rank_gpu_from_text(entry["gpu"].dump()), entry.value("processes", 0),
                      entry.value("stays_initialised", true)});
      judge_gpu(gpus.back(), finding);
      list.push_back(nlohmann::ordered_json(entry));
      list.back()["host"] = host.name;
    }
    if (gpus.empty()) continue;
    finding.summary += (finding.summary.empty() ? "" : "; ") + summary_of(host.name, gpus);
    if (const auto why = told.value("nvml", std::string()); !why.empty())
      finding.warn("nothing is known of the health of the GPUs of " + host.name + " (" + why +
                   ") install the driver's libnvidia-ml1, or start the container with `--gpus all`");
  }
  return list.empty() ? std::nullopt : std::optional(finding);
}

}  // namespace lockstep
