// The reduction that overlaps with the backward pass gives the bits of the tree, on whatever stands for NCCL
// and the GPUs.
#pragma once

#include "collectives/nccl_reduction.hpp"
#include "tests/contract/transport_contract.hpp"

namespace lockstep::contract {

template <typename UnderTest>
class NcclReductionContract : public TransportContract<UnderTest> {
 protected:
  /// As in a run: one step after the other in the same memory, each gradient published from the end of the
  /// buffer.
  void expect_tree_sum(const Gradient& gradient, std::int64_t leaves, std::int64_t elements,
                       const std::vector<Range>& shards, Rounding rounding = {}) {
    const auto shard = shards[this->rank];
    Array<float> sum(*this->under_test, shard.size());
    NcclReduction reduction(this->under_test->nccl(), {leaves, shards, elements, rounding}, elements / 5);
    reduction.connect();
    const auto own = walk_over(leaves, rank_range(leaves, this->rank, this->world_size));
    std::vector<Array<float>> arrays;
    std::vector<float*> partial_sums;
    for (std::size_t partial_sum = 0; partial_sum < own.held().size(); ++partial_sum) {
      arrays.emplace_back(*this->under_test, elements);
      partial_sums.push_back(arrays.back().data());
    }
    for (std::int64_t step = 0; step < 3; ++step) {
      const Gradient of_step = [&](std::int64_t leaf, std::int64_t element) {
        return gradient(leaf + step * leaves, element);
      };
      for (std::size_t partial_sum = 0; partial_sum < partial_sums.size(); ++partial_sum) {
        const auto& node = own.held()[partial_sum].node;
        const auto begin = node.index << node.level, end = std::min(leaves, (node.index + 1) << node.level);
        std::vector<float> values;
        for (std::int64_t i = 0; i < elements; ++i)
          values.push_back(rounded_sum(of_step, rounding, i, begin, end));
        arrays[partial_sum].set(values);
      }
      reduction.start(sum.data());
      for (auto i = elements; i > 0; i -= std::min<std::int64_t>(i, 97)) reduction.publish(i);
      reduction.send(partial_sums);
      reduction.finish();
      const auto found = sum.get();
      for (auto i = shard.begin; i < shard.end; ++i) {
        const float expected = rounded_sum(of_step, rounding, i, 0, leaves);
        ASSERT_EQ(std::bit_cast<std::uint32_t>(found[i - shard.begin]),
                  std::bit_cast<std::uint32_t>(expected))
            << "element " << i << " of " << elements << ", " << leaves << " micro-batches, step " << step;
      }
    }
  }
};

TYPED_TEST_SUITE_P(NcclReductionContract);

TYPED_TEST_P(NcclReductionContract, GivesTheBitsOfTheTree) {
  for (const std::int64_t leaves : {1, 2, 3, 5, 8, 12, 33}) {
    for (const std::int64_t elements : {0, 1, 63, 5003}) {
      this->expect_tree_sum(awkward_floats(leaves), leaves, elements, this->even_shards(elements));
      this->expect_tree_sum(awkward_floats(leaves), leaves, elements, this->uneven_shards(elements));
    }
  }
}

TYPED_TEST_P(NcclReductionContract, RoundsEveryNodeToTheFormatInWhichGradientsTravel) {
  for (const auto format : {GradientFormat::bf16, GradientFormat::fp16}) {
    for (const std::int64_t leaves : {1, 6, 16}) {
      this->expect_tree_sum(moderate_floats(), leaves, 5003, this->uneven_shards(5003), {format, 3001});
      this->expect_tree_sum(moderate_floats(), leaves, 5003, this->even_shards(5003), {format, 5003});
    }
  }
}

TYPED_TEST_P(NcclReductionContract, RefusesTheWrongNumberOfPartialSums) {
  const auto shards = this->even_shards(10);
  Array<float> sum(*this->under_test, 10);
  NcclReduction reduction(this->under_test->nccl(), {16, shards, 10});
  reduction.start(sum.data());
  const std::vector<float*> partial_sums(50, nullptr);
  EXPECT_THROW(reduction.send(partial_sums), Error);
}

REGISTER_TYPED_TEST_SUITE_P(NcclReductionContract, GivesTheBitsOfTheTree,
                            RoundsEveryNodeToTheFormatInWhichGradientsTravel,
                            RefusesTheWrongNumberOfPartialSums);

}  // namespace lockstep::contract
