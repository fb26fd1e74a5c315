#include "worker/watch/rank_report.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace lockstep {
namespace {

// Places in a report.
constexpr std::size_t signal_place = 0, saving_place = 1, times_place = 2;

/// What a rank computes while nobody waits for it or keeps it waiting.
double computing_ms(const std::vector<double>& report) {
  double sum = 0;
  for (const auto phase : computing_phases) sum += report[times_place + index_of(phase)];
  return sum;
}

double median_over_ranks(const Reports& reports, std::size_t place) {
  std::vector<double> values;
  for (const auto& report : reports) values.push_back(report[place]);
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<double> report_of(int signal, double saving_status, const PhaseTimes& times) {
  std::vector<double> report = {static_cast<double>(signal), saving_status};
  report.insert(report.end(), times.ms.begin(), times.ms.end());
  report.push_back(times.exposed_ms);
  return report;
}

double phase_ms(const std::vector<double>& report, Phase phase) {
  return report[report.size() - 1 - phase_count + index_of(phase)];  // the exposed part is the last
}

std::vector<double> saving_statuses(const Reports& reports) {
  std::vector<double> statuses;
  for (const auto& report : reports) {
    if (report.size() > saving_place) statuses.push_back(report[saving_place]);
  }
  return statuses;
}

int signal_in(const Reports& reports) {
  double signal = 0;
  for (const auto& report : reports) signal = std::max(signal, report[signal_place]);
  return static_cast<int>(signal);
}

nlohmann::ordered_json phase_columns(const Reports& reports) {
  auto columns = nlohmann::ordered_json::object();
  if (reports.empty() || reports.front().size() <= times_place) return columns;
  for (std::size_t i = 0; i < phase_count; ++i)
    columns[std::string(phase_names[i]) + "_ms"] = median_over_ranks(reports, times_place + i);
  columns["exposed_ms"] = median_over_ranks(reports, times_place + phase_count);
  const auto slowest = std::ranges::max_element(reports, {}, computing_ms);
  columns["slowest_rank"] = slowest - reports.begin();
  columns["slowest_ms"] = computing_ms(*slowest);
  return columns;
}

std::string phases_in_words(const nlohmann::json& columns) {
  double sum = 0;
  std::vector<std::pair<double, std::string>> parts;
  for (const auto* name : names) {
    const auto ms = columns.value(std::string(name) + "_ms", 0.0);
    sum += ms;
    parts.emplace_back(ms, name);
  }
  if (sum == 0) return "";
  std::ranges::stable_sort(parts, std::ranges::greater(), [](const auto& part) { return part.first; });
  const auto percent = [&](double ms) {
    char text[16];
    std::snprintf(text, sizeof text, "%.*f %%", ms < sum / 100 ? 1 : 0, 100 * ms / sum);
    return std::string(text);
  };
  std::string words;
  for (const auto& [ms, name] : parts) {
    if (ms < sum / 2000) continue;
    words += (words.empty() ? "" : ", ") + name + " " + percent(ms);
    if (name == "exchange") words += " (waiting " + percent(columns.value("exposed_ms", 0.0)) + ")";
  }
  return words;
}

}  // namespace lockstep
