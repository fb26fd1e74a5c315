// Batch norm, addition and ReLU in one pass, compared with LibTorch's separate operations.
#include "worker/models/batch_norm_relu.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/variable.h>

#include <cstring>
#include <limits>

#include "worker/models/batch_norm.hpp"

namespace lockstep {
namespace {

at::Tensor leaf(const at::Tensor& values) {
  return values.clone(at::MemoryFormat::Preserve).set_requires_grad(true);
}

at::Tensor picture(std::int64_t samples, std::int64_t channels, std::int64_t side, double spread,
                   double middle) {
  return (at::randn({samples, channels, side, side}) * spread + middle).to(at::MemoryFormat::ChannelsLast);
}

/// Compares bits. at::equal() would not do: it takes 0 and -0 for equal, and NaN for different from itself.
bool same_bits(const at::Tensor& a, const at::Tensor& b) {
  const auto x = a.contiguous(), y = b.contiguous();
  return x.sizes() == y.sizes() && std::memcmp(x.data_ptr(), y.data_ptr(), x.nbytes()) == 0;
}

struct Inputs {
  at::Tensor x, weight, bias, skipped;

  Inputs copy() const {
    return {leaf(x), leaf(weight), leaf(bias), skipped.defined() ? leaf(skipped) : skipped};
  }
};

Inputs inputs(std::int64_t samples, std::int64_t channels, std::int64_t side, bool skips) {
  at::manual_seed(channels * side);
  auto skipped = skips ? picture(samples, channels, side, 1, 0) : at::Tensor();
  return {picture(samples, channels, side, 3, 1), at::randn({channels}), at::randn({channels}), skipped};
}

/// Returns the result, the gradients of all inputs, the mean and the variance.
std::vector<at::Tensor> computed(const Inputs& given, const at::Tensor& gradient, bool fused) {
  const auto in = given.copy();
  const auto channels = in.x.size(1);
  auto mean = at::zeros({channels}), variance = at::ones({channels});
  at::Tensor out;
  if (fused) {
    out = batch_norm_relu(in.x, in.weight, in.bias, in.skipped, 1e-5, mean, variance);
  } else {
    out = at::batch_norm(in.x, in.weight, in.bias, mean, variance, true, 1.0, 1e-5, true);
    out = at::relu(in.skipped.defined() ? out + in.skipped : out);
  }
  out.backward(gradient);
  std::vector<at::Tensor> all{out, in.x.grad(), in.weight.grad(), in.bias.grad(), mean, variance};
  if (in.skipped.defined()) all.push_back(in.skipped.grad());
  return all;
}

void expect_same(const Inputs& given, const at::Tensor& gradient) {
  ASSERT_TRUE(can_fuse_batch_norm_relu(given.x, given.skipped));
  const auto fused = computed(given, gradient, true), expected = computed(given, gradient, false);
  ASSERT_EQ(fused.size(), expected.size());
  const char* const names[] = {"out", "x", "weight", "bias", "mean", "variance", "skipped"};
  for (std::size_t i = 0; i < fused.size(); ++i)
    EXPECT_TRUE(same_bits(fused[i], expected[i])) << names[i] << ", " << given.x.sizes();
}

class BatchNormRelu : public testing::Test {
 protected:
  void SetUp() override {
    at::set_num_threads(1);
    const auto probe = picture(2, 8, 2, 1, 0);
    if (!can_fuse_batch_norm_relu(probe, {}))
      GTEST_SKIP() << "needs AVX2, here is " << at::get_cpu_capability();
  }
};

TEST_F(BatchNormRelu, HasTheBitsOfLibTorchOneAfterTheOther) {
  for (const std::int64_t channels : {8, 16, 24, 32, 64, 120, 512}) {
    for (const bool skips : {false, true})
      expect_same(inputs(5, channels, 7, skips), picture(5, channels, 7, 1, 0));
  }
}

TEST_F(BatchNormRelu, HasTheBitsOfLibTorchForMicroBatchesOfAStep) {
  for (const bool skips : {false, true}) expect_same(inputs(32, 16, 28, skips), picture(32, 16, 28, 1e-3, 0));
}

TEST_F(BatchNormRelu, HasTheBitsOfLibTorchForBfloat16) {
  for (const std::int64_t channels : {16, 32, 64, 80, 512}) {
    for (const bool skips : {false, true}) {
      auto in = inputs(16, channels, 14, skips);
      in.x = in.x.to(at::kBFloat16);
      if (skips) in.skipped = in.skipped.to(at::kBFloat16);
      expect_same(in, picture(16, channels, 14, 1, 0).to(at::kBFloat16));
    }
  }
}

TEST_F(BatchNormRelu, TakesAGradientThatIsOneValueForEachChannel) {
  expect_same(inputs(4, 16, 6, true), at::randn({4, 16, 1, 1}).expand({4, 16, 6, 6}));
}

TEST_F(BatchNormRelu, KeepsNegativeZerosAndValuesThatAreNotFinite) {
  auto constant = inputs(4, 16, 6, false);
  constant.x.fill_(2);  // a variance of 0
  constant.bias.fill_(-0.0);
  expect_same(constant, picture(4, 16, 6, 1, 0));
  for (const auto value : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    auto broken = inputs(4, 16, 6, true);
    broken.x[1][3][2][2] = value;
    const auto fused = computed(broken, picture(4, 16, 6, 1, 0), true);
    EXPECT_TRUE(fused[0].select(1, 3).isnan().all().item<bool>());
    EXPECT_FALSE(fused[0].select(1, 4).isnan().any().item<bool>());
  }
}

TEST_F(BatchNormRelu, LeavesToLibTorchWhatItDoesNotComputeAlike) {
  const auto good = picture(4, 16, 6, 1, 0);
  EXPECT_FALSE(can_fuse_batch_norm_relu(good.contiguous(), {})) << "channels first";
  EXPECT_FALSE(can_fuse_batch_norm_relu(good.to(at::kHalf), {})) << "float16";
  EXPECT_FALSE(can_fuse_batch_norm_relu(picture(4, 24, 6, 1, 0).to(at::kBFloat16), {})) << "24 channels";
  EXPECT_FALSE(can_fuse_batch_norm_relu(good, good.to(at::kBFloat16))) << "two types";
  EXPECT_FALSE(can_fuse_batch_norm_relu(picture(4, 12, 6, 1, 0), {})) << "12 channels";
  EXPECT_FALSE(can_fuse_batch_norm_relu(picture(4, 16, 1, 1, 0), {})) << "both layouts at once";
  EXPECT_FALSE(can_fuse_batch_norm_relu(good, good.contiguous())) << "two layouts";
  at::set_num_threads(2);
  EXPECT_FALSE(can_fuse_batch_norm_relu(good, {})) << "sums of two threads";
}

TEST_F(BatchNormRelu, IsWhatALayerComputesInTrainingWhateverTheLayout) {
  const auto in = inputs(4, 16, 6, true);
  BatchNorm2d fused(16), plain(16);
  const auto out = fused->activated(in.x, relu, in.skipped);
  const auto expected = at::relu(plain->forward(in.x) + in.skipped);
  EXPECT_TRUE(same_bits(out, expected));
  EXPECT_TRUE(same_bits(fused->batch_mean, plain->batch_mean));
  EXPECT_TRUE(same_bits(fused->batch_var, plain->batch_var));
  const auto channels_first = fused->activated(in.x.contiguous(), relu, in.skipped.contiguous());
  EXPECT_TRUE(at::allclose(channels_first, expected, 1e-5, 1e-5));
  fused->eval();
  EXPECT_TRUE(
      same_bits(fused->activated(in.x, relu, in.skipped), at::relu(fused->forward(in.x) + in.skipped)));
}

TEST(BatchNorm2d, ForgetsAMicroBatchWhoseValuesAreNotFinite) {
  const auto in = inputs(4, 16, 6, false);
  BatchNorm2d hurt(16), whole(16);
  hurt->forward(in.x / 0);
  hurt->forward(in.x), whole->forward(in.x);
  EXPECT_TRUE(same_bits(hurt->batch_mean, whole->batch_mean));
  EXPECT_TRUE(same_bits(hurt->batch_var, whole->batch_var));
}

}  // namespace
}  // namespace lockstep
