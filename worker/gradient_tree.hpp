// The rank's part of the fixed tree: adds the gradients of its micro-batches as they are computed.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "collectives/tree.hpp"
#include "worker/layout.hpp"

namespace lockstep {

/// A streaming binary counter of flat buffers over this rank's range of the K micro-batches of a step. At
/// most log2(K) + 1 buffers are in use at a time when the range is aligned, at most 2 log2(K) otherwise.
class GradientTree {
 public:
  /// `leaves` is K; the sums are made on `device`. `layout` must outlive the tree.
  GradientTree(const Layout& layout, std::int64_t leaves, at::Device device);

  /// Forgets the previous step.
  void restart();

  /// Adds micro-batch `leaf`, right of the one before: `values[i]` is float32 with the shape of layout entry
  /// i, the gradient of a sum over samples, or an undefined tensor for zeros.
  void add_leaf(std::int64_t leaf, const std::vector<at::Tensor>& values);

  /// This rank's left-over sums, from left to right, each float32 [layout.size()]: what
  /// collectives/reduce_scatter takes.
  std::vector<float*> pieces() const;

 private:
  struct Buffer {
    at::Tensor flat;
    std::vector<at::Tensor> views;  ///< one for each entry
    bool used = false;
  };
  std::int32_t free_buffer();

  const Layout& layout_;
  std::int64_t leaves_;
  at::Device device_;
  TreeWalk walk_;
  std::vector<Buffer> buffers_;
};

}  // namespace lockstep
