// Saves checkpoints beside the steps: the loop stops for a copy of the state only.
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
  double stopped_seconds = 0;  ///< how long the loop of this rank stood still for it
  double seconds = 0;          ///< from the copy of the state until it was published
};

/// A save goes through two stages, each in a thread of its own beside the loop: every rank hashes and writes
/// its part; when all have, rank 0 publishes. The threads call no MPI. Between the stages the ranks speak in
/// advance(), at a step that all agree on because each rank's status() is among the numbers that all ranks
/// get in every step. A stage that fails on any rank is Error (io, or diverged for a state that is not
/// finite) on all ranks from the next collective call of this class: nothing is published then, and older
/// checkpoints stay. One that failed for a reason that may pass (with_patience() has tried it again by then)
/// is a warning instead, unless the one before failed too or nothing comes after it.
class Saving {
 public:
  /// What is told of each checkpoint that has been published; on all ranks.
  using Listener = std::function<void(const Saved&)>;

  /// Under `folder` (RUN/checkpoint); the newest `keep` stay. `about` goes into every manifest (config, plan
  /// hash, data hash, build). `layout` must outlive it, `transport` moves host memory, `trace` may be null.
  Saving(Transport& transport, const Layout& layout, std::string folder, std::int64_t keep,
         nlohmann::json about, Trace* trace, Listener listener);
  /// Waits for this rank's thread.
  ~Saving() = default;
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  /// A save that is not published yet; the same on all ranks.
  bool under_way() const { return stage_ != Stage::none; }
  /// The last save has failed: what it was of is not saved. The same on all ranks.
  bool has_failed() const { return failures_ > 0; }
  /// How this rank's part of the stage stands, for advance().
  double status() const { return background_.status(); }

  /// Collective: waits for the save under way, then copies `state` and starts to write it. `state.parameters`
  /// must be on the host. Throws Error (io), CollectiveError.
  void begin(const TrainingState& state);
  /// Collective once a rank's status says that it failed, or all say that they are done; otherwise it returns
  /// at once. `statuses` are those of all ranks, and so the same everywhere.
  void advance(std::span<const double> statuses);
  /// Collective: waits for the save under way, if any. Throws Error (io), CollectiveError.
  void finish() { wait(/*more_to_come=*/false); }
  /// Likewise, where another save may follow: a failure that may pass is a warning, and has_failed() tells.
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
  std::vector<Span> spans_;  ///< what the thread has done; of the thread until it is joined
  Background background_;    ///< last: its end is waited for before anything that it uses goes
};

}  // namespace lockstep
