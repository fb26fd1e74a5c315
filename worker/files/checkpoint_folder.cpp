// tests/regression/planted/removes_early.cpp replaces this file at link time.
#include "worker/files/checkpoint_folder.hpp"

#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/checkpoint_name.hpp"
#include "common/error.hpp"
#include "common/hash.hpp"
#include "common/log.hpp"
#include "common/stored_json.hpp"
#include "worker/files/file.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr const char* in_progress = ".writing";
constexpr int format = 1;

std::string folder_name(std::int64_t step) {
  auto digits = std::to_string(step);
  digits.insert(0, digits.size() < 8 ? 8 - digits.size() : 0, '0');
  return "step-" + digits;
}

/// The hash that a manifest carries of itself.
std::string manifest_hash(json manifest) {
  manifest.erase("manifest_hash");
  return hash_text(manifest.dump()).hex();
}

void warn_if(const std::error_code& failure, const std::string& what) {
  if (failure) log_warning("cannot " + what + " (" + failure.message() + ")");
}

/// Of what is in `folder`; none if there is no such folder. A folder that cannot be read is not taken for an
/// empty one: the run would start over.
std::vector<std::string> names_in(const std::string& folder) {
  return with_patience([&] {
    std::vector<std::string> names;
    std::error_code failure;
    for (fs::directory_iterator item(folder, failure); !failure && item != fs::directory_iterator();
         item.increment(failure))
      names.push_back(item->path().filename().string());
    if (failure && failure != std::errc::no_such_file_or_directory)
      throw FileError("cannot read the folder", folder, failure.value());
    return names;
  });
}

/// Without the white space outside of texts, as manifests are hashed.
std::string compact(const std::string& text) {
  std::string kept;
  bool in_text = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '"') in_text = !in_text;
    if (in_text || (c != ' ' && c != '\n')) kept += c;
    if (in_text && c == '\\' && i + 1 < text.size()) kept += text[++i];
  }
  return kept;
}

/// Whether what the program reads of a manifest is there, and of the types that it has.
bool has_all_that_is_read(const json& manifest) {
  static const json types = {{"step", 0},
                             {"config", json::object()},
                             {"plan_hash", ""},
                             {"grown_from", ""},
                             {"data_hash", ""},
                             {"device_class", ""},
                             {"device_details", json::object()},
                             {"probe_hash", ""},
                             {"build", ""},
                             {"teacher_hash", ""},
                             {"decisions", json::object()},
                             {"evaluation_due", false},
                             {"arrays", json::object()},
                             {"state_hash", ""}};
  const auto texts = [](const json& object) {
    return std::ranges::all_of(object, [](const json& value) { return value.is_string(); });
  };
  return has_types_of(manifest, types) && whole_number(manifest, "step", -1) >= 0 &&
         manifest.contains("state_hash") && manifest.contains("arrays") && texts(manifest["arrays"]) &&
         texts(manifest.value("device_details", json::object()));
}

/// Keeps the newest `keep` up to `current`. A newer one did not verify when the run was resumed: it is set
/// aside.
void tidy(const std::string& folder, const std::string& current, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const auto& name : published_checkpoints(folder)) {
    const auto path = fs::path(folder) / name;
    std::error_code failure;
    if (is_newer_checkpoint(name, current)) {
      fs::rename(path, path.string() + ".damaged", failure);
      warn_if(failure, "set aside the damaged checkpoint " + path.string());
    } else if (++kept > keep) {
      // Renamed first, so that a half-removed checkpoint is never taken for one.
      fs::rename(path, path.string() + in_progress, failure);
      if (!failure) fs::remove_all(path.string() + in_progress, failure);
      warn_if(failure, "remove the old checkpoint " + path.string());
    }
  }
}

}  // namespace

std::vector<std::string> published_checkpoints(const std::string& folder) {
  auto found = names_in(folder);
  std::erase_if(found, [](const auto& name) { return !is_checkpoint_name(name); });
  std::sort(found.begin(), found.end(), is_newer_checkpoint);
  return found;
}

std::string unfinished_checkpoint(const std::string& folder, std::int64_t step) {
  return folder + "/" + folder_name(step) + in_progress;
}

void remove_unfinished_checkpoints(const std::string& folder) {
  for (const auto& name : names_in(folder)) {
    if (!name.ends_with(in_progress)) continue;
    std::error_code failure;
    fs::remove_all(fs::path(folder) / name, failure);
    warn_if(failure, "remove " + folder + "/" + name);
  }
}

void create_unfinished_checkpoint(const std::string& path, std::int64_t bytes) {
  with_patience([&] {
    std::error_code failure;
    fs::create_directories(path, failure);
    if (failure) throw FileError("cannot create", path, failure.value());
  });
  struct statvfs system {};
  if (statvfs(path.c_str(), &system) != 0 || system.f_blocks == 0) return;  // then writing will show it
  const auto blocks = geteuid() == 0 ? system.f_bfree : system.f_bavail;
  if (static_cast<double>(blocks) * static_cast<double>(system.f_frsize) < static_cast<double>(bytes))
    throw FileError("cannot reserve " + std::to_string(bytes) + " bytes for", path, ENOSPC);
}

json sealed_manifest(json manifest) {
  manifest["format"] = format;
  manifest["manifest_hash"] = manifest_hash(manifest);
  return manifest;
}

void publish_checkpoint(const std::string& folder, const json& manifest, std::int64_t keep) {
  const auto name = folder_name(manifest.at("step").get<std::int64_t>());
  const auto final = folder + "/" + name, temporary = final + in_progress;
  write_file(temporary + "/manifest.json", manifest.dump(2) + "\n");
  sync_folder(temporary);
  std::error_code failure;
  if (is_there(final)) fs::rename(final, final + ".replaced" + in_progress, failure);
  rename_file(temporary, final);
  fs::remove_all(final + ".replaced" + in_progress, failure);
  sync_folder(fs::path(final).parent_path());
  tidy(folder, name, keep);
}

json read_manifest(const std::string& path) {
  const auto text = read_file(path);
  const auto manifest = stored_json(text);
  if (!manifest.is_object() || manifest.value("manifest_hash", json()) != manifest_hash(manifest)) {
    throw Error(ExitCode::io, path + " is damaged", "its hash is not the one it carries");
  }
  if (manifest.value("format", json()) != format) {
    throw Error(ExitCode::io, path + " has format " + manifest.value("format", json()).dump(),
                "this version reads format " + std::to_string(format), "use the version that wrote it");
  }
  // A number may be written in two ways: so that every byte counts, the text must be the one that was
  // written.
  if (compact(text) != manifest.dump() || !has_all_that_is_read(manifest))
    throw Error(ExitCode::io, path + " is damaged", "it is not as it was written");
  return manifest;
}

}  // namespace lockstep
