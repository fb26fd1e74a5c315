#include "worker/checkpoint/checkpoint.hpp"

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "collectives/broadcast.hpp"
#include "common/error.hpp"
#include "common/log.hpp"
#include "worker/agreement.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"

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

bool is_checkpoint_name(const std::string& name) {
  return name.starts_with("step-") && name.size() > 5 &&
         name.find_first_not_of("0123456789", 5) == std::string::npos;
}

/// Longer numbers are larger; of equal length, the alphabet decides.
bool newer(const std::string& a, const std::string& b) {
  return a.size() != b.size() ? a.size() > b.size() : a > b;
}

/// Published checkpoints, newest first.
std::vector<std::string> published(const std::string& folder) {
  std::vector<std::string> found;
  std::error_code none;
  for (const auto& item : fs::directory_iterator(folder, none)) {
    if (const auto name = item.path().filename().string(); is_checkpoint_name(name)) found.push_back(name);
  }
  std::sort(found.begin(), found.end(), newer);
  return found;
}

/// The hash that a manifest carries of itself.
std::string manifest_hash(json manifest) {
  manifest.erase("manifest_hash");
  return hash_text(manifest.dump()).hex();
}

void warn_if(const std::error_code& failure, const std::string& what) {
  if (failure) log_warning("cannot " + what + " (" + failure.message() + ")");
}

/// Removes what a save that was killed has left behind.
void remove_unfinished(const std::string& folder) {
  std::error_code none;
  std::vector<fs::path> unfinished;
  for (const auto& item : fs::directory_iterator(folder, none)) {
    if (item.path().filename().string().ends_with(in_progress)) unfinished.push_back(item.path());
  }
  for (const auto& path : unfinished) {
    std::error_code failure;
    fs::remove_all(path, failure);
    warn_if(failure, "remove " + path.string());
  }
}

/// Keeps the newest `keep` up to `current`. A newer one did not verify when the run was resumed: it is set
/// aside.
void tidy(const std::string& folder, const std::string& current, std::int64_t keep) {
  std::int64_t kept = 0;
  for (const auto& name : published(folder)) {
    const auto path = fs::path(folder) / name;
    std::error_code failure;
    if (newer(name, current)) {
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

json manifest_of(const TrainingState& state, const StateHashes& hashes, const json& about) {
  json manifest = about;
  manifest["format"] = format;
  manifest["step"] = state.step;
  manifest["state_hash"] = hashes.state.hex();
  if (state.decisions != Decisions{}) manifest["decisions"] = to_json(state.decisions);
  for (const auto& [name, hash] : hashes.array) manifest["arrays"][name] = hash.hex();
  manifest["manifest_hash"] = manifest_hash(manifest);
  return manifest;
}

void publish(const std::string& temporary, const std::string& final, const json& manifest) {
  write_file(temporary + "/manifest.json", manifest.dump(2) + "\n");
  sync_folder(temporary);
  std::error_code failure;
  if (fs::exists(final)) fs::rename(final, final + ".replaced" + in_progress, failure);
  fs::rename(temporary, final, failure);
  if (failure)
    throw Error(ExitCode::io, "cannot publish " + final, failure.message(), "check the output folder");
  fs::remove_all(final + ".replaced" + in_progress, failure);
  sync_folder(fs::path(final).parent_path());
}

json read_manifest(const std::string& path) {
  const auto manifest = json::parse(read_file(path), nullptr, /*allow_exceptions=*/false);
  if (!manifest.is_object() || manifest.value("manifest_hash", json()) != manifest_hash(manifest)) {
    throw Error(ExitCode::io, path + " is damaged", "its hash is not the one it carries");
  }
  if (manifest.value("format", json()) != format) {
    throw Error(ExitCode::io, path + " has format " + manifest.value("format", json()).dump(),
                "this version reads format " + std::to_string(format), "use the version that wrote it");
  }
  return manifest;
}

/// Reads one checkpoint into `state` and compares every hash. Throws Error (io) on all ranks when it does not
/// verify.
json load_checkpoint(Transport& transport, TrainingState& state, const std::string& folder) {
  json manifest;
  on_all_ranks(transport, [&] {
    manifest = read_manifest(folder + "/manifest.json");
    const auto weights = model_file(folder + "/weights.safetensors", state.layout);
    const auto optimizer = optimizer_file(folder + "/optimizer.safetensors", state);
    weights.check();
    optimizer.check();
    read_model(weights, state.layout, state.parameters);
    read_optimizer_part(optimizer, state);
    for (const auto& array : state.other_weights()) {
      const auto file = model_file(folder + "/" + array.name + ".safetensors", state.layout);
      file.check();
      auto flat = at::zeros({state.layout.size()});
      read_model(file, state.layout, flat);
      array.shard.copy_(flat.slice(0, state.shard.begin, state.shard.end));
    }
    state.step = manifest.at("step").get<std::int64_t>();
    try {
      state.decisions =
          manifest.contains("decisions") ? decisions_from_json(manifest["decisions"]) : Decisions{};
    } catch (const json::exception& error) {
      throw Error(ExitCode::io, folder + "/manifest.json cannot be read", error.what());
    }
  });
  const auto hashes = hash_state(transport, state);
  for (const auto& [name, hash] : hashes.array) {
    if (manifest.at("arrays").value(name, "") != hash.hex()) {
      throw Error(ExitCode::io, folder + " is damaged",
                  "the hash of its " + name + " is not the one in the manifest");
    }
  }
  if (manifest.at("state_hash") != hashes.state.hex()) {
    throw Error(ExitCode::io, folder + " is damaged", "its state hash is not the one in the manifest");
  }
  // Every rank has read all weights but verified its own shard only; after this all hold what was verified.
  state.parameters.copy_(gather_shards(transport, state.layout, state.own_parameters()));
  return manifest;
}

std::vector<std::string> agree_on_candidates(Transport& transport, const std::string& folder) {
  json names = transport.rank() == 0 ? json(published(folder)) : json();
  auto text = names.dump();
  std::int64_t size = static_cast<std::int64_t>(text.size());
  broadcast(transport, &size, sizeof size, 0);
  text.resize(static_cast<std::size_t>(size));
  broadcast(transport, text.data(), text.size(), 0);
  return json::parse(text);
}

}  // namespace

StateHashes save_checkpoint(Transport& transport, const TrainingState& state, const std::string& folder,
                            std::int64_t keep, const json& about) {
  const auto final = folder + "/" + folder_name(state.step);
  const auto temporary = final + in_progress;
  const auto weights = model_file(temporary + "/weights.safetensors", state.layout);
  const auto optimizer = optimizer_file(temporary + "/optimizer.safetensors", state);
  std::vector<SafetensorsFile> other_files;
  std::vector<at::Tensor> other_weights;
  for (const auto& array : state.other_weights()) {
    other_files.push_back(model_file(temporary + "/" + array.name + ".safetensors", state.layout));
    other_weights.push_back(gather_shards(transport, state.layout, array.shard));
  }
  try {
    on_all_ranks(transport, [&] {
      if (transport.rank() != 0) return;
      std::error_code failure;
      remove_unfinished(folder);
      fs::create_directories(temporary, failure);
      if (failure) throw file_error("cannot create", temporary, failure.value());
      for (const auto* file : {&weights, &optimizer}) file->create();
      for (const auto& file : other_files) file.create();
    });
    const auto part =
        rank_range(weights.size() - weights.offset(0), transport.rank(), transport.world_size());
    on_all_ranks(transport, [&] {
      write_model_part(weights, state.layout, state.parameters, state.step, part);
      write_optimizer_part(optimizer, state);
      for (std::size_t i = 0; i < other_files.size(); ++i)
        write_model_part(other_files[i], state.layout, other_weights[i], state.step, part);
    });
    const auto hashes = hash_state(transport, state);
    on_all_ranks(transport, [&] {
      if (transport.rank() != 0) return;
      publish(temporary, final, manifest_of(state, hashes, about));
      tidy(folder, folder_name(state.step), keep);
    });
    return hashes;
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error&) {
    std::error_code ignored;
    if (transport.rank() == 0) fs::remove_all(temporary, ignored);
    throw;
  }
}

std::optional<json> load_newest_checkpoint(Transport& transport, TrainingState& state,
                                           const std::string& folder) {
  const auto candidates = agree_on_candidates(transport, folder);
  for (const auto& name : candidates) {
    try {
      return load_checkpoint(transport, state, folder + "/" + name);
    } catch (const CollectiveError&) {
      throw;
    } catch (const Error& error) {
      if (transport.rank() == 0) log_warning("passing over checkpoint " + name + ": " + error.what());
    }
  }
  if (candidates.empty()) return std::nullopt;
  throw Error(ExitCode::io, "no checkpoint in " + folder + " verifies",
              std::to_string(candidates.size()) + " tried, each named above",
              "restore one from a copy, or start over with --fresh");
}

}  // namespace lockstep
