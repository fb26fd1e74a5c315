// Saves checkpoints in the background: the training loop stops only while the state is copied.
#pragma once

#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/checkpoint/background.hpp"
#include "worker/checkpoint/snapshot.hpp"
#include "worker/watch/trace.hpp"

namespace lockstep {

/// A checkpoint that has been published.
struct Saved {
  std::int64_t step = 0;
  StateHashes hashes;
  double stopped_seconds = 0;  ///< how long it blocked this rank's loop
  double seconds = 0;          ///< from the copy of the state to publication
};

/// A save has two stages, each in a background thread: every rank hashes and writes its part; when all have,
/// rank 0 publishes the checkpoint. The threads call no MPI. Between the stages the ranks communicate in
/// advance(), at a step that all agree on because each rank's status() is among the numbers that all ranks
/// receive in every step. If a stage fails on any rank, the next collective call of this class throws Error
/// (io, or diverged if the state is not finite) on all ranks: nothing is published, and older checkpoints
/// stay. If the cause may pass (with_patience() has retried by then), the failure is only a warning, unless
/// the previous save failed too or no save follows.
class Saving {
 public:
  /// Called on all ranks for each published checkpoint.
  using Listener = std::function<void(const Saved&)>;

  /// Saves under `folder` (RUN/checkpoint) and keeps the newest `keep` checkpoints. `about` goes into every
  /// manifest (config, plan hash, data hash, build). `layout` must outlive this; `transport` moves host
  /// memory; `trace` may be null.
  Saving(Transport& transport, const Layout& layout, std::string folder, std::int64_t keep,
         nlohmann::json about, Trace* trace, Listener listener);
  /// Waits for this rank's thread.
  ~Saving() = default;
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  /// Whether a save has begun that is not published yet; the same on all ranks.
  bool under_way() const { return stage_ != Stage::none; }
  /// Whether the last save has failed, so that its state is not saved; the same on all ranks.
  bool has_failed() const { return failures_ > 0; }
  /// Background::status() of this rank's part of the stage, for advance().
  double status() const { return background_.status(); }

  /// Collective: waits for the save under way, then copies `state`, from host or GPU memory, and starts to
  /// write it. Throws Error (io, diverged), CollectiveError.
  void begin(const TrainingState& state);
  /// Collective once a rank's status is failed, or all are done; otherwise it returns at once. `statuses`:
  /// those of all ranks, and so the same on all ranks. Throws Error (io, diverged), CollectiveError.
  void advance(std::span<const double> statuses);
  /// Collective: waits for the save under way, if any. Throws Error (io, diverged), CollectiveError.
  void finish() { wait(/*more_to_come=*/false); }
  /// The same if another save may follow: a failure that may pass is a warning, and has_failed() is then
  /// true.
  void settle() { wait(/*more_to_come=*/true); }

 private:
  enum class Stage { none, writing, publishing };
  struct Span {
    const char* name;
    Clock::time_point begin, end;
  };

  void timed(const char* name, const std::function<void()>& action);
  void join();
  bool may_go_on_without(const std::string& failure, bool failure_may_pass, bool more_to_come);
  void wait(bool more_to_come);
  std::optional<Saved> next_stage(bool more_to_come);
  nlohmann::json manifest() const;

  Transport& transport_;
  std::string folder_;
  std::int64_t keep_;
  nlohmann::json about_;
  Trace* trace_;
  Listener listener_;
  Snapshot snapshot_;
  bool evaluation_due_ = false;
  Stage stage_ = Stage::none;
  int failures_ = 0;  ///< in a row
  Saved saved_;
  Clock::time_point began_;
  std::vector<Span> spans_;  ///< what the thread has done; owned by the thread until it is joined
  Background background_;    ///< last, so that it ends before anything that it uses is destroyed
};

}  // namespace lockstep
