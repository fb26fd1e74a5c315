// A finding: what is wrong with a run, which ranks cause it, and how it is told.
#pragma once

#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

enum class Trouble {
  dead,           ///< killed, crashed, or left with an error
  out_of_memory,  ///< killed by the kernel for memory
  gpu_failed,     ///< left because its GPU is broken or gone
  host_lost,      ///< no sentinel on the host writes any more: it has crashed, or lost access to the files
  stopped,        ///< by a signal
  stuck,          ///< in one phase for far longer than that has ever taken
  gpu_throttles,  ///< heat or power slows its GPU down
  slow_compute,   ///< its micro-batches take far longer than those of the others, or it gets no core
  slow_link,      ///< all ranks wait for messages to or from its host
};

/// "dead", "slow link", ...
std::string name_of(Trouble trouble);

struct Finding {
  Trouble trouble;
  std::vector<int> ranks;  ///< the culprits, in rank order
  std::string host;        ///< of the culprits; "n1 and n2" for a slow link between two hosts
  std::string text;        ///< for people: which rank on which host, in which phase, and who waits for it
};

/// " in forward of step 12", or " in start-up"
std::string at_work(const RankStatus& status);

/// About one rank; `text` follows "rank 3 on n1".
Finding finding_on(Trouble trouble, const RankStatus& status, const std::string& text);

/// How a rank that has failed() ended.
Finding failure_of(const RankStatus& status);

}  // namespace lockstep
