#include "launcher/failed_gpus.hpp"

#include <algorithm>
#include <array>

#include "common/log.hpp"

namespace lockstep {
namespace {

/// Xids that a bug in a kernel causes as well: a graphics engine exception, an MMU fault, and the stop and
/// cleanup of channels that follow.
constexpr std::array<std::int64_t, 5> xids_of_programs = {13, 31, 43, 45, 69};

bool has_xid_of_the_gpu(const GpuHealth& health) {
  return std::ranges::any_of(health.xids, [](auto xid) {
    return std::ranges::find(xids_of_programs, xid) == xids_of_programs.end();
  });
}

/// The launcher's name of the host of `rank`; hosts are filled in their order.
std::string launched_as(std::span<const Host> hosts, int rank) {
  for (const auto& host : hosts) {
    if (rank < host.slots) return host.name;
    rank -= host.slots;
  }
  return "";
}

/// If each rank sees only its own GPU, the GPUs of a host are those of all its ranks together.
std::vector<std::string> gpus_of_host(const std::vector<RankStatus>& statuses, const std::string& host) {
  std::vector<std::string> names;
  for (const auto& status : statuses) {
    if (status.host != host) continue;
    for (const auto& name : status.gpu.host_gpus) {
      if (std::ranges::find(names, name) == names.end()) names.push_back(name);
    }
  }
  return names;
}

bool is_this_machine(const std::string& word) {
  return word == "localhost" || word == "::1" || word.starts_with("127.");
}

/// "n1" for "n1.cluster"; an address is not shortened.
std::string first_label(const std::string& name) {
  const bool address =
      name.find_first_not_of("0123456789.") == std::string::npos || name.find(':') != std::string::npos;
  return address ? name : name.substr(0, name.find('.'));
}

/// The host's own name, for the launcher's name `word`; empty if no GPU has failed there.
std::string name_among_ranks(const SetAside& aside, const std::string& word) {
  const auto host_where = [&](auto fits) {
    const auto found = std::ranges::find_if(aside.gpus, fits);
    return found == aside.gpus.end() ? std::string() : found->host;
  };
  if (is_this_machine(word)) return host_where([](const auto& gpu) { return gpu.host == host_name(); });
  auto name = host_where([&](const auto& gpu) { return gpu.host == word; });
  if (name.empty()) name = host_where([&](const auto& gpu) { return gpu.launched_as == word; });
  if (name.empty())
    name = host_where([&](const auto& gpu) { return first_label(gpu.host) == first_label(word); });
  return name;
}

}  // namespace

std::vector<FailedGpu> failed_gpus(const std::vector<RankStatus>& statuses, std::span<const Host> hosts) {
  std::vector<FailedGpu> failed;
  for (const auto& status : statuses) {
    if (status.gpu_failure.empty() || !status.gpu.exists()) continue;
    const auto& gpu = status.gpu;
    failed.push_back({{.host = status.host,
                       .uuid = gpu.uuid,
                       .address = gpu.address,
                       .rank = status.rank,
                       .step = status.step + 1,
                       .why = status.gpu_failure,
                       .host_gpus = gpus_of_host(statuses, status.host),
                       .shown = gpu.shown,
                       .shown_alone = gpu.host_gpus.size() == 1,
                       .launched_as = launched_as(hosts, status.rank)},
                      status.gpu_in_doubt && !has_xid_of_the_gpu(gpu.health)});
  }
  return failed;
}

std::vector<GpuAside> GpuDoubts::to_leave_out(const std::vector<FailedGpu>& failed) {
  std::vector<GpuAside> out;
  for (const auto& [gpu, in_doubt] : failed) {
    if (!in_doubt || ++failures_[gpu.name() + " of " + gpu.host] > 1) out.push_back(gpu);
  }
  return out;
}

std::vector<std::string> GpuDoubts::alike() const {
  std::vector<std::string> names;
  for (const auto& [name, times] : failures_) names.push_back(name);
  return names.size() > 1 ? names : std::vector<std::string>();
}

int gpus_left_on(const SetAside& aside, const std::string& word) {
  const auto left = aside.gpus_left();
  const auto found = left.find(name_among_ranks(aside, word));
  return found == left.end() ? -1 : found->second;
}

void lower_slots(std::vector<Host>& hosts, const SetAside& aside) {
  for (auto& host : hosts) {
    if (const int left = gpus_left_on(aside, host.name); left >= 0) host.slots = std::min(host.slots, left);
  }
  std::erase_if(hosts, [](const auto& host) { return host.slots == 0; });
}

}  // namespace lockstep
