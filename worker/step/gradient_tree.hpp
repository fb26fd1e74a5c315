// A rank's part of the fixed tree: adds the gradients of its micro-batches as they are computed.
#pragma once

#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

#include "collectives/tree.hpp"
#include "worker/state/layout.hpp"

namespace lockstep {

/// A streaming binary counter of flat buffers over this rank's range of the K micro-batches of a step. At
/// most log2(K) + 1 buffers are in use at a time when the range is aligned, at most 2 log2(K) otherwise.
class GradientTree {
 public:
  /// `leaves` is K; `buffers`: float32 [layout.size()] each, padding zero, one for each slot of this rank's
  /// LeafWalk, on any device. Gradients and their sums are rounded to `format`, statistics and metrics are
  /// not. `layout` must outlive the tree.
  GradientTree(const Layout& layout, std::int64_t leaves, std::vector<at::Tensor> buffers,
               at::ScalarType format = at::kFloat);
  /// The same with buffers of its own on `device`, for the leaves of `range`.
  GradientTree(const Layout& layout, std::int64_t leaves, Range range, at::Device device,
               at::ScalarType format = at::kFloat);

  /// Forgets the previous step.
  void restart();

  /// Begins micro-batch `leaf`, to the right of the previous one.
  void begin_leaf(std::int64_t leaf);
  /// Adds the leaf's value at layout entry `entry`, and at once carries out all additions that this
  /// completes. `value`: float32 with the entry's shape, the gradient of a sum over samples; an undefined
  /// tensor stands for zeros. Call it once per entry, in any order.
  void add(std::size_t entry, const at::Tensor& value);
  /// Ends the leaf; entries that were not added are zeros.
  void end_leaf();
  /// Elements [final_from(), layout.size()) of the sums already contain the leaf.
  std::int64_t final_from() const;

  /// This rank's partial sums, from left to right in the tree, each float32 [layout.size()]: the inputs of
  /// the sum over all ranks.
  std::vector<float*> partial_sums() const;

 private:
  struct Buffer {
    at::Tensor flat;
    std::vector<at::Tensor> views, parts;  ///< one for each entry: in its shape, and flat
  };

  at::Tensor rounded(std::size_t entry, const at::Tensor& value) const;

  const Layout& layout_;
  std::int64_t leaves_;
  at::ScalarType format_;
  std::vector<Buffer> buffers_;
  LeafWalk walk_;
  LeafWalk::Step step_;
  std::vector<bool> added_;      ///< of each entry of the leaf under way
  std::size_t first_final_ = 0;  ///< all entries from here on are added
};

}  // namespace lockstep
