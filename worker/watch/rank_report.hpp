// What each rank tells the others in a step, and how it is shown (docs/timing.md).
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/watch/phase.hpp"

namespace lockstep {

/// What each rank tells the others in a step: the signal that has asked it to end, or 0; and now and then its
/// Saving::status() and its PhaseTimes. By rank.
using Reports = std::vector<std::vector<double>>;

/// A rank's report.
std::vector<double> report_of(int signal, double saving_status, const PhaseTimes& times);
/// What a report that has times has of this phase, in milliseconds.
double phase_ms(const std::vector<double>& report, Phase phase);
/// The Saving::status() of each rank, of reports that have it.
std::vector<double> saving_statuses(const Reports& reports);
/// The signal of one of the ranks that have been asked to end, or 0.
int signal_in(const Reports& reports);

/// data_ms, forward_ms, ... exposed_ms: the median over the ranks; slowest_rank, and slowest_ms: who computed
/// (data, forward, backward, update) for longest, and how long. Empty without times.
nlohmann::ordered_json phase_columns(const Reports& reports);
/// "data 1 %, forward 30 %, ..." of such columns, the largest first; "" where there are none.
std::string phases_in_words(const nlohmann::json& columns);

}  // namespace lockstep
