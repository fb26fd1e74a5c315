#include "worker/check/report.hpp"

#include <algorithm>

namespace lockstep {
namespace {

constexpr std::size_t names_listed_max = 8;

const char* word_for_machines(CheckVerdict verdict) {
  constexpr const char* words[] = {"ok", "skipped", "warning", "failed"};
  return words[static_cast<int>(verdict)];
}

const char* word_for_people(CheckVerdict verdict) {
  constexpr const char* words[] = {"ok", "-", "WARN", "FAIL"};
  return words[static_cast<int>(verdict)];
}

std::string row(std::string check, std::string result, const std::string& detail) {
  check.resize(std::max<std::size_t>(check.size(), 12), ' ');
  result.resize(std::max<std::size_t>(result.size(), 6), ' ');
  return check + " " + result + " " + detail;
}

}  // namespace

void CheckResult::warn(const std::string& problem) {
  verdict = std::max(verdict, CheckVerdict::warning);
  problems.push_back(problem);
}

void CheckResult::fail(const std::string& problem) {
  verdict = CheckVerdict::failed;
  problems.push_back(problem);
}

Report::Report(int rank) : speaks_(rank == 0) {
  if (speaks_) progress_.say(row("check", "result", "detail"));
}

void Report::add(const CheckResult& finding) {
  failures_ += finding.verdict == CheckVerdict::failed;
  warnings_ += finding.verdict == CheckVerdict::warning;
  if (!speaks_) return;
  progress_.say(row(finding.check, word_for_people(finding.verdict), finding.summary));
  for (const auto& problem : finding.problems) progress_.say(row("", "", problem));
  nlohmann::ordered_json event = {{"check", finding.check},
                                  {"result", word_for_machines(finding.verdict)},
                                  {"detail", finding.summary},
                                  {"problems", finding.problems}};
  if (finding.numbers.is_object()) event.update(finding.numbers);
  progress_.emit("check", event);
}

void Report::finish(double seconds) {
  if (!speaks_) return;
  progress_.emit("checked", {{"failures", failures_}, {"warnings", warnings_}, {"seconds", seconds}});
  progress_.say(failures_ > 0
                    ? std::to_string(failures_) + " checks failed"
                    : "ready to train" + (warnings_ > 0 ? ", with " + std::to_string(warnings_) + " warnings"
                                                        : std::string()));
}

std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), names_listed_max); ++i)
    text += (i == 0 ? "" : ", ") + names[i];
  if (names.size() > names_listed_max)
    text += " and " + std::to_string(names.size() - names_listed_max) + " more";
  return text;
}

}  // namespace lockstep
