// What rank 0 prints while a run goes on: a live bar for people on a terminal, JSON lines for machines.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "common/clock.hpp"

namespace lockstep {

/// How the run stands, for one update of the bar.
struct Standing {
  std::int64_t epoch, epochs;  ///< epoch counted from 1
  std::int64_t step, last_step;
  double images_per_second;
  double seconds_left;
  double loss;
};

/// Writes to standard output. LOCKSTEP_PROGRESS=bar|json and LOCKSTEP_COLUMNS, which the launcher sets, say
/// what standard output is at the other end of mpirun; without them, this process looks itself. Colours
/// unless NO_COLOR is set.
class Progress {
 public:
  Progress();

  bool for_people() const { return for_people_; }
  /// One line for people, made printable(), or nothing.
  void say(const std::string& text);
  /// One line for machines, or nothing. `event` becomes its first key.
  void emit(const std::string& event, nlohmann::ordered_json fields);
  /// Redraws the line that stays at the bottom, at most ten times a second unless `force`.
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
