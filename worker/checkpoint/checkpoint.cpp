#include "worker/checkpoint/checkpoint.hpp"

#include "common/error.hpp"
#include "common/log.hpp"
#include "common/stored_json.hpp"
#include "worker/checkpoint/checkpoint_files.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

std::vector<std::string> agree_on_candidates(Transport& transport, const std::string& folder) {
  json names;
  on_all_ranks(transport, [&] {
    if (transport.rank() == 0) names = published_checkpoints(folder);
  });
  return stored_json(broadcast_text(transport, names.dump()));
}

}  // namespace

json load_checkpoint(Transport& transport, TrainingState& state, const std::string& folder) {
  json manifest;
  on_all_ranks(transport, [&] {
    manifest = read_manifest(folder + "/manifest.json");
    const auto step = manifest.at("step").get<std::int64_t>();
    const auto weights = model_file(folder + "/weights.safetensors", state.layout);
    const auto optimizer = optimizer_file(folder + "/optimizer.safetensors", state);
    weights.check();
    optimizer.check();
    // A GPU gets all weights in one copy: tensor by tensor, each would take a copy and a kernel.
    const auto flat = state.on_gpu ? at::zeros({state.layout.size()}) : state.parameters;
    read_model(weights, state.layout, flat, step);
    if (state.on_gpu) state.parameters.copy_(flat);
    read_optimizer_part(optimizer, state);
    for (const auto& array : state.other_weights()) {
      const auto file = model_file(folder + "/" + array.name + ".safetensors", state.layout);
      file.check();
      const auto average = at::zeros({state.layout.size()});
      read_model(file, state.layout, average, step);
      array.shard.copy_(average.slice(0, state.shard.begin, state.shard.end));
    }
    state.step = step;
    state.evaluation_due = manifest.value("evaluation_due", false);
    try {
      const auto decisions = manifest.value("decisions", to_json(Decisions{}));
      if (!has_types_of(decisions, to_json(Decisions{})))
        throw Error(ExitCode::io, folder + "/manifest.json cannot be read", "its decisions have other types");
      state.decisions = decisions_from_json(decisions);
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
  // Every rank has read all weights but verified only its own shard; after this, all hold verified weights.
  state.parameters.copy_(gather_shards(transport, state.layout, state.own_parameters()));
  return manifest;
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
