// What a check of the hosts has found: a table for people, JSON lines for machines.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/progress.hpp"

namespace lockstep {

enum class CheckVerdict { ok, skipped, warning, failed };

/// The outcome of one check, the same on all ranks.
struct CheckResult {
  std::string check;                        ///< "network", "data", ...
  std::string summary = {};                 ///< what was looked at, or why nothing was
  nlohmann::ordered_json numbers = {};      ///< an object, for machines, or null
  CheckVerdict verdict = CheckVerdict::ok;  ///< the worst of its problems
  std::vector<std::string> problems = {};   ///< each "problem (why) remedy"

  void warn(const std::string& problem);
  void fail(const std::string& problem);
};

/// Prints each finding as it comes, on rank 0; counts failures and warnings on all ranks.
class Report {
 public:
  explicit Report(int rank);

  void add(const CheckResult& finding);
  /// Prints how the check ended, after `seconds`.
  void finish(double seconds);
  bool failed() const { return failures_ > 0; }

 private:
  bool speaks_;
  Progress progress_;
  int failures_ = 0, warnings_ = 0;
};

/// "n1, n2 and 3 more".
std::string listed(const std::vector<std::string>& names);

}  // namespace lockstep
