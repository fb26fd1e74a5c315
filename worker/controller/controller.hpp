// Rank 0's part at the start of a run: it alone reads the configuration and opens the run folder. Its orders
// for each step are in orders.hpp, its output is in report.hpp.
#pragma once

#include <string>

#include "collectives/transport.hpp"
#include "worker/controller/plan.hpp"
#include "worker/controller/report.hpp"
#include "worker/controller/request.hpp"

namespace lockstep {

/// Exists on every rank; decides, writes and prints on rank 0 only.
class Controller {
 public:
  Controller(Transport& transport, Request request)
      : transport_(transport),
        request_(std::move(request)),
        report_(transport.rank(), transport.world_size()) {}

  /// Collective: rank 0 reads and checks the configuration and opens the run folder; all ranks get the plan.
  /// Throws as share_plan().
  Plan plan();

  /// On rank 0, in a run that trains: records the error that ends the process, unless the report has already
  /// begun.
  void note_refused(ExitCode code, const std::string& text) const;

  RunReport& report() { return report_; }

 private:
  Plan make_plan();
  /// The plan of an existing run.
  Plan plan_of_run(const std::string& path, Task task) const;

  Transport& transport_;
  Request request_;
  std::string starting_;  ///< the folder of a run that is to be trained
  RunReport report_;
};

}  // namespace lockstep
