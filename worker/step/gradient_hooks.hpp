// What a micro-batch yields, handed over entry by entry as it is computed.
#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "worker/state/layout.hpp"

namespace torch::autograd {
struct Node;
}  // namespace torch::autograd

namespace lockstep {

struct Model;

/// Catches the gradient of every parameter of a model as soon as backward has it complete, so that it is
/// added, and perhaps sent, while backward goes on.
class LeafDelivery {
 public:
  /// What is done with the value of layout entry `entry`: a gradient, a batch statistic, or the metrics.
  using Take = std::function<void(std::size_t entry, const at::Tensor& value)>;

  /// `model` must be attached to its memory already: a parameter that moves to another device forgets its
  /// hook.
  LeafDelivery(Model& model, const Layout& layout);
  ~LeafDelivery();
  LeafDelivery(const LeafDelivery&) = delete;
  LeafDelivery& operator=(const LeafDelivery&) = delete;

  /// From now on `take` gets what the micro-batches yield. Returns who got it before.
  Take deliver_to(Take take) { return std::exchange(take_, std::move(take)); }
  /// Hands over a value that is no gradient.
  void deliver(std::size_t entry, const at::Tensor& value) const { take_(entry, value); }

 private:
  struct Hook {
    std::shared_ptr<torch::autograd::Node> accumulator;  ///< lives as long as somebody holds it
    std::uintptr_t key;
  };
  Take take_;
  std::vector<Hook> hooks_;
};

}  // namespace lockstep
