#include "worker/checkpoint/saving.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "common/log.hpp"
#include "common/small_file.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {

Saving::Saving(Transport& transport, const Layout& layout, std::string folder, std::int64_t keep,
               nlohmann::json about, Trace* trace, Listener listener)
    : transport_(transport),
      folder_(std::move(folder)),
      keep_(keep),
      about_(std::move(about)),
      trace_(trace),
      listener_(std::move(listener)),
      snapshot_(layout, transport.rank(), transport.world_size()) {}

void Saving::begin(const TrainingState& state) {
  wait(/*more_to_come=*/true);
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
}

void Saving::advance(std::span<const double> statuses) {
  if (!under_way()) return;
  const auto [slowest, fastest] = std::minmax_element(statuses.begin(), statuses.end());
  if (*slowest == Background::busy && *fastest != Background::failed) return;
  if (const auto saved = next_stage(/*more_to_come=*/true)) listener_(*saved);
}

void Saving::wait(bool more_to_come) {
  const auto start_time = Clock::now();
  std::optional<Saved> saved;
  while (under_way()) saved = next_stage(more_to_come);
  if (!saved) return;
  saved->stopped_seconds += seconds_since(start_time);
  listener_(*saved);
}

/// Collective, once an action of any rank has failed.
bool Saving::may_go_on_without(const std::string& failure, bool failure_may_pass, bool more_to_come) {
  const auto all = gather_numbers(transport_, std::array{failure_may_pass ? 1.0 : 0.0});
  ++failures_;
  if (!more_to_come || failures_ > 1 || std::ranges::count(all, 0.0) > 0) return false;
  if (transport_.rank() == 0)
    log_warning("the checkpoint of step " + std::to_string(snapshot_.step()) + " is not saved: " + failure +
                "; the run goes on, and ends if the next one fails too");
  return true;
}

std::optional<Saved> Saving::next_stage(bool more_to_come) {
  bool failure_may_pass = true;  // of this rank
  try {
    on_all_ranks(transport_, [&] {
      try {
        join();
      } catch (const FileError& error) {
        failure_may_pass = may_pass(error.error_number());
        throw;
      } catch (const Error&) {
        failure_may_pass = false;
        throw;
      }
    });
  } catch (const CollectiveError&) {
    throw;
  } catch (const Error& error) {  // no thread of any rank writes any more
    std::error_code ignored;
    if (transport_.rank() == 0)
      std::filesystem::remove_all(unfinished_checkpoint(folder_, snapshot_.step()), ignored);
    stage_ = Stage::none;
    if (!may_go_on_without(error.what(), failure_may_pass, more_to_come)) throw;
    return std::nullopt;
  }
  if (stage_ == Stage::publishing) {
    stage_ = Stage::none;
    failures_ = 0;
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
