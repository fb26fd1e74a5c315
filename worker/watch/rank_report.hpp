// What each rank reports to the others in a step, and how it is shown (docs/timing.md).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/watch/phase.hpp"

namespace lockstep {

/// What each rank reports to the others in a step.
struct RankReport {
  struct Details {
    double saving_status = 0;  ///< Saving::status()
    PhaseTimes times;
  };
  int signal = 0;                       ///< the one that has asked the rank to end, or 0
  std::optional<Details> details = {};  ///< in some steps only; on all ranks or on none
};

/// Converts a report to the numbers of a message, and back.
std::vector<double> numbers_of(const RankReport& report);
RankReport report_of(std::span<const double> numbers);

/// The saving status of each rank whose report has details.
std::vector<double> saving_statuses(std::span<const RankReport> reports);
/// The signal of one of the ranks that have been asked to end, or 0.
int signal_in(std::span<const RankReport> reports);

/// data_ms, forward_ms, ... exposed_ms: medians over the ranks, per step; slowest_rank and slowest_ms: the
/// rank that computed (data, forward, backward, update) longest, and for how long. Empty if the reports have
/// no details.
nlohmann::ordered_json phase_columns(std::span<const RankReport> reports);
/// "data 1 %, forward 30 %, ..." from such columns, the largest first; "" if there are none.
std::string phases_in_words(const nlohmann::json& columns);

}  // namespace lockstep
