// Dropout (Srivastava et al. 2014) and drop path (stochastic depth, Huang et al. 2016) whose masks are a
// function of the seed, step, micro-batch and layer alone.
#pragma once

#include <torch/nn/module.h>

#include <cstdint>

#include "common/random.hpp"

namespace lockstep {

/// Identifies the micro-batch that the masks of a forward pass are drawn for, whichever rank computes it.
struct DrawKey {
  std::uint64_t seed = 0, step = 0, micro_batch = 0;
};

inline DrawKey draw_key(std::int64_t seed, std::int64_t step, std::int64_t micro_batch) {
  return {static_cast<std::uint64_t>(seed), static_cast<std::uint64_t>(step),
          static_cast<std::uint64_t>(micro_batch)};
}

/// In training sets values to 0 with probability `rate` and multiplies the others by 1 / (1 - rate).
/// Purpose::dropout draws for each element, Purpose::drop_path for each whole sample along dimension 0. In
/// evaluation, and with rate 0, the identity.
struct DropImpl : torch::nn::Module {
  /// `layer` numbers the layers of one purpose in a model; `draws` is read in each forward pass and must
  /// outlive this module.
  DropImpl(Purpose purpose, double rate, std::uint64_t layer, const DrawKey& draws);
  torch::Tensor forward(const torch::Tensor& x);
  bool is_identity() const { return rate_ == 0 || !is_training(); }

 private:
  torch::Tensor mask(at::IntArrayRef shape) const;

  Purpose purpose_;
  double rate_;
  std::uint64_t layer_;
  const DrawKey& draws_;
};
TORCH_MODULE(Drop);

/// Drop path of residual block `block` of `blocks`: its rate rises linearly from 0 at the first to `rate` at
/// the last. `layer` as above, for blocks with more than one.
Drop drop_path(double rate, std::int64_t block, std::int64_t blocks, std::uint64_t layer,
               const DrawKey& draws);

}  // namespace lockstep
