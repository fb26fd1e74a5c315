#include "common/set_aside.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "common/error.hpp"
#include "common/rank_status.hpp"

namespace lockstep {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HostAside, host, rank, step, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GpuAside, host, uuid, address, rank, step, why, host_gpus,
                                                shown, shown_alone, launched_as)

namespace {

using nlohmann::json;

template <class Entry>
void append(std::vector<Entry>& entries, const json& object, const char* key) {
  if (!object.is_object() || !object.contains(key)) return;
  for (const auto& entry : object[key]) {
    if (entry.is_object()) entries.push_back(entry.get<Entry>());
  }
}

}  // namespace

const GpuAside* SetAside::gpu(const std::string& host, const std::string& name) const {
  const auto found =
      std::ranges::find_if(gpus, [&](const auto& gpu) { return gpu.host == host && gpu.name() == name; });
  return found == gpus.end() ? nullptr : &*found;
}

std::map<std::string, int> SetAside::gpus_left() const {
  std::map<std::string, std::set<std::string>> known;
  for (const auto& gpu : gpus) known[gpu.host].insert(gpu.host_gpus.begin(), gpu.host_gpus.end());
  std::map<std::string, int> left;
  for (const auto& [host, names] : known) {
    left[host] = static_cast<int>(
        std::ranges::count_if(names, [&, &on = host](const auto& name) { return !gpu(on, name); }));
  }
  return left;
}

std::optional<std::string> SetAside::visible_devices(const std::string& host,
                                                     const std::string& shown) const {
  const auto as_now =
      std::ranges::find_if(gpus, [&](const auto& gpu) { return gpu.host == host && gpu.shown == shown; });
  if (as_now == gpus.end() || as_now->shown_alone) return std::nullopt;
  std::string list;
  for (const auto& name : as_now->host_gpus) {
    if (!name.starts_with("GPU-")) return std::nullopt;
    if (!gpu(host, name)) list += (list.empty() ? "" : ",") + name;
  }
  return list;
}

std::string set_aside_file(const std::string& run) { return status_folder(run) + "/set_aside.json"; }

std::string read_set_aside_text(const std::string& run) {
  std::ifstream file(set_aside_file(run));
  std::string text;
  std::getline(file, text, '\0');  // unlike iterators this does not throw where a file system fails
  return text;
}

SetAside set_aside_in(const std::string& text) {
  const auto object = json::parse(text, nullptr, /*allow_exceptions=*/false);
  SetAside aside;
  try {
    append(aside.hosts, object, "hosts");
    append(aside.gpus, object, "gpus");
  } catch (const json::exception&) {
    return {};
  }
  return aside;
}

void add_to_set_aside(const std::string& run, const SetAside& more) {
  auto all = set_aside_in(read_set_aside_text(run));
  all.hosts.insert(all.hosts.end(), more.hosts.begin(), more.hosts.end());
  all.gpus.insert(all.gpus.end(), more.gpus.begin(), more.gpus.end());
  const auto path = set_aside_file(run), beside = path + ".new";
  std::error_code failure;  // writing shows it
  std::filesystem::create_directories(status_folder(run), failure);
  std::ofstream file(beside);
  file << json{{"hosts", all.hosts}, {"gpus", all.gpus}}.dump(2, ' ', false, json::error_handler_t::replace)
       << "\n";
  file.close();
  if (!file) throw file_error("cannot write", beside, errno);
  if (std::rename(beside.c_str(), path.c_str()) != 0) throw file_error("cannot write", path, errno);
}

}  // namespace lockstep
