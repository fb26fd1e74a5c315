#include "worker/check/hosts.hpp"

#include <ATen/Context.h>
#include <link.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <thread>

#include "collectives/gpu.hpp"
#include "common/build_identity.hpp"
#include "common/hash.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/program_identity.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr std::int64_t kib = 1024;
constexpr double gib = 1024.0 * 1024.0 * 1024.0;

std::string field_of(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    const auto begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

/// The build id that the linker has put into a loaded object; empty if it has none.
std::string build_id(const dl_phdr_info& object) {
  for (int i = 0; i < object.dlpi_phnum; ++i) {
    const auto& header = object.dlpi_phdr[i];
    if (header.p_type != PT_NOTE) continue;
    const auto* at = reinterpret_cast<const char*>(object.dlpi_addr + header.p_vaddr);
    const auto* end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(at);
      const auto* name = at + sizeof *note;
      const auto* id = name + (note->n_namesz + 3) / 4 * 4;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && std::memcmp(name, "GNU", 4) == 0)
        return hash_bytes(id, note->n_descsz).hex();
      at = id + (note->n_descsz + 3) / 4 * 4;
    }
  }
  return "";
}

/// For every library that this process has loaded: what distinguishes its versions.
json loaded_libraries() {
  json libraries = json::object();
  dl_iterate_phdr(
      [](dl_phdr_info* object, std::size_t, void* found) {
        const std::string path = object->dlpi_name;
        if (path.empty()) return 0;  // the program itself
        std::ifstream file(path, std::ios::ate);
        const auto id = build_id(*object);
        (*static_cast<json*>(found))[path.substr(path.rfind('/') + 1)] =
            id.empty() ? std::to_string(file.tellg()) + " bytes" : id;
        return 0;
      },
      &libraries);
  libraries.erase("linux-vdso.so.1");  // the kernel's
  return libraries;
}

json own_program() {
  utsname system{};
  uname(&system);
  return {{"build", build_identity()},
          {"program", program_hash()},
          {"libraries", loaded_libraries()},
          {"mpi", mpi_version()},
          {"cpu", field_of("/proc/cpuinfo", "model name")},
          {"instructions", at::get_cpu_capability()},
          {"kernel", std::string(system.release)}};
}

std::string difference(const MpiTransport& transport, int rank, const std::string& here,
                       const std::string& there) {
  return transport.describe_rank(0) + " has " + here + ", " + transport.describe_rank(rank) + " has " + there;
}

/// The names of the libraries that differ between `a` and `b`.
std::vector<std::string> other_libraries(const json& a, const json& b) {
  std::set<std::string> names;
  for (const auto& [name, version] : a.items())
    if (b.value(name, json()) != version) names.insert(name);
  for (const auto& [name, version] : b.items())
    if (!a.contains(name)) names.insert(name);
  return {names.begin(), names.end()};
}

json own_machine() {
  json gpus = json::array();
  for (int device = 0; device < gpu_count(); ++device) gpus.push_back(gpu(device).name);
  const auto available = std::strtoll(field_of("/proc/meminfo", "MemAvailable").c_str(), nullptr, 10);
  return {{"cores", std::max(1u, std::thread::hardware_concurrency())},
          {"memory_available", available * kib},
          {"gpus", gpus}};
}

std::string gib_text(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f GiB", bytes / gib);
  return text;
}

}  // namespace

std::vector<CheckedHost> hosts_of(const MpiTransport& transport) {
  std::vector<CheckedHost> hosts;
  for (int rank = 0; rank < transport.world_size(); ++rank) {
    const auto same = std::ranges::find_if(
        hosts, [&](const CheckedHost& host) { return transport.same_host(host.ranks[0], rank); });
    if (same != hosts.end())
      same->ranks.push_back(rank);
    else
      hosts.push_back({transport.host_of(rank), {rank}});
  }
  return hosts;
}

int host_spoken_for(const std::vector<CheckedHost>& hosts, int rank) {
  const auto found =
      std::ranges::find_if(hosts, [&](const CheckedHost& host) { return host.ranks[0] == rank; });
  return found == hosts.end() ? -1 : static_cast<int>(found - hosts.begin());
}

std::vector<json> gather_json(Transport& transport, const json& own) {
  std::vector<json> all;
  for (const auto& text : gather_texts(transport, own.dump(-1, ' ', false, json::error_handler_t::replace)))
    all.push_back(json::parse(text));
  return all;
}

CheckResult check_programs(MpiTransport& transport) {
  const auto all = gather_json(transport, own_program());
  const auto& first = all[0];
  CheckResult finding{"programs", build_identity() + ", " + first["mpi"].get<std::string>() + ", " +
                                      std::to_string(first["libraries"].size()) + " libraries, CPU level " +
                                      first["instructions"].get<std::string>()};
  json ranks = json::array();
  for (int rank = 0; rank < transport.world_size(); ++rank) {
    auto program = all[static_cast<std::size_t>(rank)];
    const auto differs = [&](const char* key) { return program[key] != first[key]; };
    const auto both = [&](const char* key) {
      return difference(transport, rank, first[key].get<std::string>(), program[key].get<std::string>());
    };
    if (differs("build")) {
      finding.fail("the build differs (" + both("build") + ") start all ranks with the same program");
    } else if (differs("program")) {
      finding.fail("the program lockstep-worker differs (" + both("program") +
                   ": hashes of the file) start all ranks with the same program");
    }
    if (differs("mpi"))
      finding.fail("MPI differs (" + both("mpi") + ") install the same version on all hosts");
    else if (differs("libraries"))
      finding.fail("libraries differ (" + transport.describe_rank(rank) + " has another " +
                   listed(other_libraries(first["libraries"], program["libraries"])) + " than " +
                   transport.describe_rank(0) + ") install the same packages on all hosts");
    if (differs("cpu"))
      finding.warn("the CPU differs (" + both("cpu") +
                   ") equal bits are promised between CPUs of one model: use hosts of one kind");
    program.erase("libraries");
    program["rank"] = rank;
    program["host"] = transport.host_of(rank);
    ranks.push_back(program);
  }
  finding.numbers["ranks"] = ranks;
  return finding;
}

CheckResult check_machines(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                           std::int64_t threads_per_rank) {
  const auto all = gather_json(transport, own_machine());
  CheckResult finding{"machines"};
  auto& list = finding.numbers["hosts"] = json::array();
  const auto& first = all[static_cast<std::size_t>(hosts[0].ranks[0])];
  for (const auto& host : hosts) {
    const auto& machine = all[static_cast<std::size_t>(host.ranks[0])];
    const auto ranks = std::ssize(host.ranks), gpus = std::ssize(machine["gpus"]);
    const auto cores = machine["cores"].get<std::int64_t>();
    list.push_back({{"host", host.name}, {"ranks", ranks}});
    list.back().update(machine);
    finding.summary += (finding.summary.empty() ? "" : "; ") + host.name + ": ranks " +
                       std::to_string(ranks) + ", cores " + std::to_string(cores) + ", GPUs " +
                       std::to_string(gpus) + ", " + gib_text(machine["memory_available"].get<double>()) +
                       " free";
    if (ranks * threads_per_rank > cores)
      finding.warn(host.name + " has more threads than cores (" + std::to_string(ranks) + " ranks of " +
                   std::to_string(threads_per_rank) + " threads on " + std::to_string(cores) +
                   " cores) start fewer ranks there");
    if (machine["gpus"] != first["gpus"])
      finding.warn(host.name + " has other GPUs than " + hosts[0].name + " (" + machine["gpus"].dump() +
                   " and " + first["gpus"].dump() + ") use hosts of one kind");
    else if (cores != first["cores"])
      finding.warn(host.name + " has another number of cores than " + hosts[0].name + " (" +
                   std::to_string(cores) + " and " + first["cores"].dump() +
                   ") all ranks wait for the slowest: see whether something limits them");
  }
  return finding;
}

}  // namespace lockstep
