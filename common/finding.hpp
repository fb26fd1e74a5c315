// What is wrong with a run: which trouble, whose, and in which words.
#pragma once

#include <string>
#include <vector>

#include "common/rank_status.hpp"

namespace lockstep {

enum class Trouble {
  dead,           ///< killed, crashed, or left with an error
  out_of_memory,  ///< killed by the kernel for memory
  gpu_failed,     ///< left because its GPU is broken or gone
  host_lost,      ///< no sentinel of the host writes any more: crashed, or cut off from the files
  stopped,        ///< by a signal
  stuck,          ///< in one phase, for far longer than that has ever taken
  gpu_throttles,  ///< heat or power slows its GPU down
  slow_compute,   ///< its micro-batches take far longer than those of the others, or it gets no core
  slow_link,      ///< everybody waits for bytes to or from its host
};

/// "dead", "slow link", ...
std::string name_of(Trouble trouble);

struct Finding {
  Trouble trouble;
  std::vector<int> ranks;  ///< the culprits, in rank order
  std::string host;        ///< theirs; two hosts as "n1 and n2" where a link between them is slow
  std::string text;        ///< for people: which rank on which host, in which phase, and who waits for it
};

/// " in forward of step 12", or " in start-up"
std::string at_work(const RankStatus& status);

/// About one rank; `text` follows "rank 3 on n1".
Finding finding_on(Trouble trouble, const RankStatus& status, const std::string& text);

/// How a rank that has failed() ended.
Finding failure_of(const RankStatus& status);

}  // namespace lockstep
