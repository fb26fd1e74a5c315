// What rank 0 prints during a run: a live progress bar on a terminal, JSON lines elsewhere.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "common/clock.hpp"

namespace lockstep {

/// The state of the run, for one update of the bar.
struct Standing {
  std::int64_t epoch, epochs;  ///< epoch counted from 1
  std::int64_t step, last_step;
  double images_per_second;
  double seconds_left;
  double loss;
};

/// Writes to standard output. The launcher sets LOCKSTEP_PROGRESS=bar|json and LOCKSTEP_COLUMNS according to
/// its own standard output, since a rank only sees mpirun's pipe; without them this process inspects its
/// own. Colours unless NO_COLOR is set.
class Progress {
 public:
  Progress();

  bool for_people() const { return for_people_; }
  /// Prints one line, made printable(), if the output is for people.
  void say(const std::string& text);
  /// Prints one JSON line if the output is for machines; `event` is its first key.
  void emit(const std::string& event, nlohmann::ordered_json fields);
  /// Redraws the status line at the bottom, at most ten times a second unless `force`.
  void draw(std::string line, bool force);
  /// The same with a bar.
  void update(const Standing& standing, bool force);

  /// say(), with a part in bold green on a terminal that has colours.
  void say_with_highlight(const std::string& before, const std::string& highlighted,
                          const std::string& after);

 private:
  void clear();

  bool for_people_, colours_;
  int columns_;
  bool bar_drawn_ = false;
  Clock::time_point last_drawn_{};
};

}  // namespace lockstep
