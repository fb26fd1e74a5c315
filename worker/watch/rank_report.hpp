// What each rank tells the others in a step, and how it is shown (docs/timing.md).
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "worker/watch/phase.hpp"

namespace lockstep {

/// What each rank tells the others in a step.
struct RankReport {
  struct Details {
    double saving_status = 0;  ///< Saving::status()
    PhaseTimes times;
  };
  int signal = 0;                       ///< that has asked the rank to end, or 0
  std::optional<Details> details = {};  ///< now and then; on all ranks or on none
};

/// As numbers, for a message, and back.
std::vector<double> numbers_of(const RankReport& report);
RankReport report_of(std::span<const double> numbers);

/// The saving status of each rank, of reports that have it.
std::vector<double> saving_statuses(std::span<const RankReport> reports);
/// The signal of one of the ranks that have been asked to end, or 0.
int signal_in(std::span<const RankReport> reports);

/// data_ms, forward_ms, ... exposed_ms: the median over the ranks; slowest_rank, and slowest_ms: who computed
/// (data, forward, backward, update) for longest, and how long. Empty without times.
nlohmann::ordered_json phase_columns(std::span<const RankReport> reports);
/// "data 1 %, forward 30 %, ..." of such columns, the largest first; "" where there are none.
std::string phases_in_words(const nlohmann::json& columns);

}  // namespace lockstep
