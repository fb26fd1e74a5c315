// The kernels, run thread by thread on the GPU double, give every element the bits of the host's loops and
// touch no other element. That the arithmetic itself is right is tested in tests/reference.
#include "worker/optim/update_kernels.hpp"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/contract/gradients.hpp"
#include "worker/optim/sum_of_squares.hpp"
#include "worker/optim/update_loops.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t shard_size = 12000;
constexpr int arrays_of_a_shard = 7;

/// Seven arrays of a shard, with values from about -1 to 1.
struct Shard {
  std::vector<float> values;

  Shard() {
    for (std::int64_t i = 0; i < arrays_of_a_shard * shard_size; ++i) {
      values.push_back(static_cast<float>(contract::mixed(i) >> 40) / (1 << 23) - 1);
    }
    for (auto i = 3 * shard_size; i < 4 * shard_size; ++i) values[i] = std::abs(values[i]);  // second moments
  }
  float* array(int number) { return values.data() + number * shard_size; }
  ShardArrays arrays() {
    return {.parameters = array(0),
            .gradients = array(1),
            .state = {array(2), array(3)},
            .direction = array(4),
            .ema = array(5),
            .swa = array(6)};
  }
};

/// Pieces with sizes around those of a thread block and its lanes, with gaps that belong to no piece.
std::vector<Piece> pieces_with_gaps() {
  std::vector<Piece> pieces;
  std::int64_t offset = 3;
  for (const int count : {1, 7, 8, 255, 256, 257, 4096, 511, 4095}) {
    pieces.push_back({offset, count, static_cast<std::int32_t>(pieces.size() % 3)});
    offset += count + 5;
  }
  return pieces;
}

bool belongs(const std::vector<Piece>& pieces, std::int64_t i) {
  for (const auto& piece : pieces) {
    if (i >= piece.offset && i < piece.offset + piece.count) return true;
  }
  return false;
}

StepNumbers numbers() {
  return {.scale = 0.3F,
          .limit = 0.4F,
          .momentum = 0.9F,
          .beta1 = 0.9F,
          .beta2 = 0.99F,
          .rest1 = 0.1F,
          .rest2 = 0.01F,
          .alpha = 0.95F,
          .rest = 0.05F,
          .eps = 1e-3F,
          .rho = 0.04F,
          .correction = 0.19F,
          .root = 0.2F,
          .samples_share = 0.125F,
          .statistics_share = 0.25F,
          .ema_weight = 0.1F,
          .member = 3,
          .nesterov = true};
}

std::vector<Factors> factors() {
  return {
      {0.01F, 0.999F, 0.1F, 0.5F, 0.7F, 0.07F}, {0, 1, 0.1F, 0.5F, 1, 0.1F}, {0.2F, 0.9F, 0.3F, 1, 2, 0.6F}};
}

class UpdateKernels : public testing::TestWithParam<UpdateRule> {};

TEST_P(UpdateKernels, GiveEveryElementTheBitsOfTheHostsLoopsAndTouchNoOther) {
  const auto pieces = pieces_with_gaps();
  const auto by_entry = factors();
  for (const bool averaged : {false, true}) {
    Shard before, host, gpu;
    UpdateJob job{host.arrays(), numbers(), pieces.data(), by_entry.data(), std::ssize(pieces)};
    update_in_host_memory(GetParam(), averaged, job);
    job.arrays = gpu.arrays();
    ASSERT_EQ(launch_update(GetParam(), averaged, job), 0);
    ASSERT_EQ(std::memcmp(host.values.data(), gpu.values.data(), sizeof(float) * host.values.size()), 0);
    std::int64_t changed = 0;
    for (std::size_t i = 0; i < host.values.size(); ++i) {
      if (host.values[i] == before.values[i]) continue;
      ++changed;
      ASSERT_TRUE(belongs(pieces, static_cast<std::int64_t>(i) % shard_size)) << i;
    }
    EXPECT_EQ(changed > 0, GetParam() != UpdateRule::none || averaged);
  }
}

INSTANTIATE_TEST_SUITE_P(AllRules, UpdateKernels,
                         testing::Values(UpdateRule::sgd, UpdateRule::adam, UpdateRule::adamw,
                                         UpdateRule::rmsprop, UpdateRule::lars, UpdateRule::lamb_direction,
                                         UpdateRule::lamb, UpdateRule::lion, UpdateRule::sophia,
                                         UpdateRule::curvature, UpdateRule::statistics, UpdateRule::clip,
                                         UpdateRule::mean, UpdateRule::none));

TEST(UpdateLoops, MoveTheAverageTowardsTheNewWeight) {
  Shard shard, alone;
  const auto pieces = pieces_with_gaps();
  const auto by_entry = factors();
  UpdateJob job{shard.arrays(), numbers(), pieces.data(), by_entry.data(), std::ssize(pieces)};
  update_in_host_memory(UpdateRule::adamw, true, job);
  job.arrays = alone.arrays();
  update_in_host_memory(UpdateRule::adamw, false, job);
  for (const auto& piece : pieces) {
    for (auto i = piece.offset; i < piece.offset + piece.count; ++i) {
      const float old = alone.array(5)[i], weight = 0.1F;
      ASSERT_EQ(shard.array(0)[i], alone.array(0)[i]);
      ASSERT_EQ(shard.array(5)[i], old + weight * (alone.array(0)[i] - old)) << i;
    }
  }
}

TEST(SquaresKernel, GivesTheBitsOfTheHostsSums) {
  const auto gradient = contract::awkward_floats(2);
  std::vector<float> values;
  for (std::int64_t i = 0; i < shard_size; ++i) values.push_back(gradient(0, i));
  const auto pieces = pieces_with_gaps();
  std::vector<double> lane_sums(pieces.size() * lanes), sums(pieces.size()), expected;
  ASSERT_EQ(launch_squares({values.data(), pieces.data(), std::ssize(pieces), lane_sums.data(), sums.data()}),
            0);
  for (const auto& piece : pieces) {
    expected.push_back(sum_of_squares(values.data() + piece.offset, piece.count));
  }
  EXPECT_EQ(std::memcmp(sums.data(), expected.data(), sizeof(double) * sums.size()), 0);
}

}  // namespace
}  // namespace lockstep
