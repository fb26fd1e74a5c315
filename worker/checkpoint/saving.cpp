#include "worker/checkpoint/saving.hpp"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "worker/agreement.hpp"
#include "worker/checkpoint/checkpoint_folder.hpp"

namespace lockstep {

Saving::Saving(Transport& transport, const Layout& layout, std::string folder, std::int64_t keep,
               nlohmann::json about, Trace* trace)
    : transport_(transport),
      folder_(std::move(folder)),
      keep_(keep),
      about_(std::move(about)),
      trace_(trace),
      snapshot_(layout, transport.rank(), transport.world_size()) {}

std::optional<Saved> Saving::begin(const TrainingState& state) {
  const auto before = finish();
  const auto start_time = began_ = Clock::now();
  snapshot_.take(transport_, state);
  evaluation_due_ = state.evaluation_due;
  const auto path = unfinished_checkpoint(folder_, state.step);
  snapshot_.place(path, state);
  on_all_ranks(transport_, [&] {
    if (transport_.rank() != 0) return;
    remove_unfinished_checkpoints(folder_);
    try {
      create_unfinished_checkpoint(path, snapshot_.bytes_of_files());
    } catch (const Error&) {
      std::error_code ignored;
      std::filesystem::remove_all(path, ignored);
      throw;
    }
  });
  stage_ = Stage::writing;
  background_.start([this] {
    timed("hash", [this] {
      snapshot_.require_finite();
      snapshot_.hash();
    });
    timed("write", [this] {
      if (transport_.rank() == 0) snapshot_.create_files();
      snapshot_.write();
    });
  });
  saved_ = {state.step, {}, seconds_since(start_time)};
  return before;
}

std::optional<Saved> Saving::advance(std::span<const double> statuses) {
  if (!under_way()) return std::nullopt;
  const auto [slowest, fastest] = std::minmax_element(statuses.begin(), statuses.end());
  return *slowest == Background::busy && *fastest != Background::failed ? std::nullopt : next_stage();
}

std::optional<Saved> Saving::finish() {
  std::optional<Saved> saved;
  const auto start_time = Clock::now();
  while (under_way()) saved = next_stage();
  if (saved) saved->stopped_seconds += seconds_since(start_time);
  return saved;
}

std::optional<Saved> Saving::next_stage() {
  try {
    on_all_ranks(transport_, [this] { join(); });
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error&) {  // no thread of any rank writes any more
    std::error_code ignored;
    if (transport_.rank() == 0)
      std::filesystem::remove_all(unfinished_checkpoint(folder_, snapshot_.step()), ignored);
    stage_ = Stage::none;
    throw;
  }
  if (stage_ == Stage::publishing) {
    stage_ = Stage::none;
    saved_.seconds = seconds_since(began_);
    return saved_;
  }
  stage_ = Stage::publishing;
  saved_.hashes = gather_hashes(transport_, snapshot_.step(), snapshot_.decisions(), snapshot_.hashes());
  if (transport_.rank() == 0) {
    background_.start(
        [this] { timed("publish", [this] { publish_checkpoint(folder_, manifest(), keep_); }); });
  }
  return std::nullopt;
}

nlohmann::json Saving::manifest() const {
  auto manifest = about_;
  manifest["step"] = snapshot_.step();
  manifest["state_hash"] = saved_.hashes.state.hex();
  if (evaluation_due_) manifest["evaluation_due"] = true;
  if (snapshot_.decisions() != Decisions{}) manifest["decisions"] = to_json(snapshot_.decisions());
  for (const auto& [name, hash] : saved_.hashes.array) manifest["arrays"][name] = hash.hex();
  return sealed_manifest(manifest);
}

void Saving::timed(const char* name, const std::function<void()>& action) {
  const auto begin = Clock::now();
  action();
  spans_.push_back({name, begin, Clock::now()});
}

void Saving::join() {
  background_.join();  // an error ends the run: then the trace lacks the spans
  for (const auto& span : std::exchange(spans_, {})) {
    if (trace_) trace_->add(span.name, Trace::Thread::saving, span.begin, span.end);
  }
}

}  // namespace lockstep
