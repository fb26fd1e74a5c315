// The rank's part of the fixed tree: adds the gradients of its micro-batches as they are computed.
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

  /// Begins micro-batch `leaf`, right of the one before.
  void begin_leaf(std::int64_t leaf);
  /// Adds what the leaf has at layout entry `entry`, at once through all sums that it completes: float32 with
  /// the entry's shape, the gradient of a sum over samples, or an undefined tensor for zeros. Once for each
  /// entry, in any order.
  void add(std::size_t entry, const at::Tensor& value);
  /// Ends the leaf; entries that were not added are zeros.
  void end_leaf();
  /// Elements [final_from(), layout.size()) of the sums contain the leaf.
  std::int64_t final_from() const;

  /// This rank's left-over sums, from left to right, each float32 [layout.size()]: what
  /// the sums over all ranks take.
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
