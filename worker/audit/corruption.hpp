// Reports ranks that compute or hold other bits than the rest.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "collectives/transport.hpp"
#include "worker/audit/vote.hpp"

namespace lockstep {

/// The same on all ranks.
struct Corruption {
  std::string where;  ///< "step 12, micro-batch 5"
  std::string what;   ///< "what it computes", "the weights that it holds"
  std::int64_t step;  ///< the step under way, from 1
  Verdict verdict;
  std::vector<std::string> hosts;  ///< of the suspects
};

/// Collective: all-gathers the hashes of all ranks, any number per rank, in rank order. Throws
/// CollectiveError.
std::vector<Result> gather_results(Transport& transport, const std::vector<Hash128>& own);

bool all_equal(std::span<const Result> results);

/// Collective: a Corruption with the names of the suspects' hosts. Throws CollectiveError.
Corruption corruption_of(Transport& transport, std::string where, std::string what, std::int64_t step,
                         Verdict verdict);

/// The Error (corrupt) with which all ranks exit.
Error error_of(const Corruption& corruption);

/// Adds the hosts that are certainly wrong to RUN/status/set_aside.json: {"hosts": [{"host", "rank", "step",
/// "why"}, ...]}. For rank 0. If the file cannot be written, it only warns: the error to come matters more.
void set_aside(const Corruption& corruption, const std::string& run);

}  // namespace lockstep
