#include "common/set_aside.hpp"

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "common/error.hpp"
#include "common/rank_status.hpp"
#include "common/small_file.hpp"
#include "common/stored_json.hpp"

namespace lockstep {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(HostAside, host, rank, step, why)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GpuAside, host, uuid, address, rank, step, why, host_gpus,
                                                shown, shown_alone, launched_as)

namespace {

using nlohmann::json;

constexpr std::int64_t most_bytes = 1 << 24;

/// False if something in it is not an entry.
template <class Entry>
bool append(std::vector<Entry>& entries, const json& object, const char* key) {
  if (!object.contains(key)) return true;
  bool sound = object[key].is_array();
  for (const auto& entry : sound ? object[key] : json::array()) {
    try {
      if (!has_types_of(entry, Entry{})) throw json::other_error::create(0, "another type", &entry);
      entries.push_back(entry.get<Entry>());
    } catch (const json::exception&) {  // of elements of lists too
      sound = false;
    }
  }
  return sound;
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
  try {
    std::error_code failure;
    if (!std::filesystem::exists(set_aside_file(run), failure)) return "";
    return read_file(set_aside_file(run), most_bytes);
  } catch (const Error& error) {
    return error.what();  // treated as a damaged text
  }
}

SetAside set_aside_in(const std::string& text) {
  SetAside aside;
  auto object = stored_json(text);
  if (!object.is_object()) {
    aside.damaged = !text.empty();
    return aside;
  }
  make_printable(object);
  const bool hosts_are_sound = append(aside.hosts, object, "hosts");
  aside.damaged = !append(aside.gpus, object, "gpus") || !hosts_are_sound;
  return aside;
}

std::string doubt_about(const SetAside& aside, const std::string& run) {
  if (!aside.damaged) return "";
  return set_aside_file(run) +
         " is damaged (some of it is no entry) what it set aside there is used again: leave such hosts out "
         "of "
         "--hosts, or restore the file";
}

void add_to_set_aside(const std::string& run, const SetAside& more) {
  std::string text;
  try {
    text = read_file(set_aside_file(run), most_bytes);
  } catch (const FileError& error) {  // a passing failure must not be taken for an empty file
    if (error.error_number() != ENOENT) throw;
  }
  auto all = set_aside_in(text);
  all.hosts.insert(all.hosts.end(), more.hosts.begin(), more.hosts.end());
  all.gpus.insert(all.gpus.end(), more.gpus.begin(), more.gpus.end());
  const auto path = set_aside_file(run);
  std::error_code failure;  // writing then fails, and says why
  std::filesystem::create_directories(status_folder(run), failure);
  if (all.damaged) rename_file(path, path + ".damaged");
  replace_file(path, json{{"hosts", all.hosts}, {"gpus", all.gpus}}.dump(2, ' ', false,
                                                                         json::error_handler_t::replace) +
                         "\n");
}

}  // namespace lockstep
