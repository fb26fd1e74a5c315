#include "worker/watch/rank_report.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace lockstep {
namespace {

constexpr std::size_t numbers_with_details = 2 + phase_count + 1;

/// What a rank computes while nobody waits for it or keeps it waiting.
double computing_ms(const RankReport& report) {
  double sum = 0;
  for (const auto phase : computing_phases) sum += report.details->times.ms[index_of(phase)];
  return sum;
}

/// `value`: of one rank's times.
template <class Value>
double median_over_ranks(std::span<const RankReport> reports, const Value& value) {
  std::vector<double> values;
  for (const auto& report : reports) values.push_back(value(report.details->times));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

std::vector<double> numbers_of(const RankReport& report) {
  std::vector<double> numbers = {static_cast<double>(report.signal)};
  if (!report.details) return numbers;
  const auto& [status, times] = *report.details;
  numbers.push_back(status);
  numbers.insert(numbers.end(), times.ms.begin(), times.ms.end());
  numbers.push_back(times.exposed_ms);
  return numbers;
}

RankReport report_of(std::span<const double> numbers) {
  RankReport report{static_cast<int>(numbers[0])};
  if (numbers.size() < numbers_with_details) return report;
  auto& [status, times] = report.details.emplace();
  status = numbers[1];
  std::ranges::copy(numbers.subspan(2, phase_count), times.ms.begin());
  times.exposed_ms = numbers.back();
  return report;
}

std::vector<double> saving_statuses(std::span<const RankReport> reports) {
  std::vector<double> statuses;
  for (const auto& report : reports) {
    if (report.details) statuses.push_back(report.details->saving_status);
  }
  return statuses;
}

int signal_in(std::span<const RankReport> reports) {
  int signal = 0;
  for (const auto& report : reports) signal = std::max(signal, report.signal);
  return signal;
}

nlohmann::ordered_json phase_columns(std::span<const RankReport> reports) {
  auto columns = nlohmann::ordered_json::object();
  if (reports.empty() || !reports.front().details) return columns;
  for (std::size_t i = 0; i < phase_count; ++i)
    columns[std::string(phase_names[i]) + "_ms"] =
        median_over_ranks(reports, [i](const PhaseTimes& times) { return times.ms[i]; });
  columns["exposed_ms"] =
      median_over_ranks(reports, [](const PhaseTimes& times) { return times.exposed_ms; });
  const auto slowest = std::ranges::max_element(reports, {}, computing_ms);
  columns["slowest_rank"] = slowest - reports.begin();
  columns["slowest_ms"] = computing_ms(*slowest);
  return columns;
}

std::string phases_in_words(const nlohmann::json& columns) {
  double sum = 0;
  std::vector<std::pair<double, std::string>> parts;
  for (const auto* name : phase_names) {
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
