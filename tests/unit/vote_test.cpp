#include "worker/audit/vote.hpp"

#include <gtest/gtest.h>

namespace lockstep {
namespace {

Result result(int rank, char hash) { return {rank, {{static_cast<std::uint8_t>(hash)}}}; }

void expect(const std::vector<Result>& results, const std::vector<int>& suspects, bool certain) {
  const auto verdict = vote(results);
  EXPECT_EQ(verdict.suspects, suspects);
  EXPECT_EQ(verdict.certain, certain);
}

TEST(Vote, SuspectsNobodyWhereAllAgree) {
  expect({result(0, 'x'), result(1, 'x'), result(2, 'x')}, {}, true);
}

TEST(Vote, NamesTheOneThatTwoOthersContradict) {
  expect({result(2, 'y'), result(0, 'x'), result(0, 'x'), result(1, 'x'), result(2, 'y')}, {2}, true);
}

TEST(Vote, OfTwoNamesTheOneThatContradictsItself) {
  expect({result(0, 'y'), result(1, 'x'), result(0, 'x'), result(1, 'x')}, {0}, true);
  expect({result(0, 'x'), result(1, 'y'), result(0, 'x'), result(1, 'z')}, {1}, true);
}

TEST(Vote, CannotTellWhichOfTwoThatRepeatThemselvesIsWrong) {
  expect({result(0, 'y'), result(1, 'x'), result(0, 'y'), result(1, 'x')}, {0, 1}, false);
}

TEST(Vote, NamesTheOnlyRankThatContradictsItself) { expect({result(0, 'x'), result(0, 'y')}, {0}, true); }

TEST(Vote, NamesSeveralThatAreWrongEachInItsOwnWay) {
  expect({result(0, 'x'), result(1, 'x'), result(2, 'y'), result(3, 'z')}, {2, 3}, true);
}

}  // namespace
}  // namespace lockstep
