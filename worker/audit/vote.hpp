// Finds the ranks that are wrong when all should have computed the same bits.
#pragma once

#include <span>
#include <vector>

#include "common/hash.hpp"

namespace lockstep {

/// The hash of one result of a rank.
struct Result {
  int rank;
  Hash128 hash;
};

struct Verdict {
  std::vector<int> suspects;  ///< ascending
  bool certain;               ///< all of them are wrong; otherwise some are, and it is unknown which
};

/// Plurality vote: the hash with more results than any other is right, and every rank with another result is
/// a suspect. If no hash leads, all ranks that have a result are suspects. A rank may have several results:
/// one that contradicts itself loses against one that does not. There are no suspects if all results are
/// equal.
Verdict vote(std::span<const Result> results);

}  // namespace lockstep
