// Who is wrong, where all should have come to the same bits.
#pragma once

#include <span>
#include <vector>

#include "common/hash.hpp"

namespace lockstep {

/// What a rank has come to.
struct Result {
  int rank;
  Hash128 hash;
};

struct Verdict {
  std::vector<int> suspects;  ///< ascending
  bool certain;  ///< each of them is wrong; otherwise some of them are, and nobody can tell which
};

/// What more results than any other say is right, and whoever has come to something else is wrong. Where
/// there is no such hash, all ranks that have a result are suspects. A rank may have several results: one
/// that contradicts itself loses against one that does not. Nobody is suspected where all results are equal.
Verdict vote(std::span<const Result> results);

}  // namespace lockstep
