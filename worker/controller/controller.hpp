// Rank 0's part at the start of a run: it alone reads the configuration and opens the run folder. What it
// orders for each step is in orders.hpp, what it says and writes in report.hpp.
#pragma once

#include <string>

#include "collectives/transport.hpp"
#include "worker/controller/plan.hpp"
#include "worker/controller/report.hpp"
#include "worker/controller/request.hpp"

namespace lockstep {

/// Exists on every rank; decides, writes and speaks on rank 0 only.
class Controller {
 public:
  Controller(Transport& transport, Request request)
      : transport_(transport),
        request_(std::move(request)),
        report_(transport.rank(), transport.world_size()) {}

  /// Collective: rank 0 reads, checks and opens; all ranks get the plan (share_plan).
  Plan plan();

  /// Rank 0: keeps the error with which the process ends, unless a step of the run has been under way.
  void note_refused(ExitCode code, const std::string& text) const;

  RunReport& report() { return report_; }

 private:
  Plan make_plan();
  /// For a run that is there.
  Plan plan_of_run(const std::string& path, Task task) const;

  Transport& transport_;
  Request request_;
  std::string starting_;  ///< the folder of a run that is to be trained
  RunReport report_;
};

}  // namespace lockstep
