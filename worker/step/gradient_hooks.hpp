// The gradients of a micro-batch, handed over one by one while backward computes the rest.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "worker/state/layout.hpp"

namespace torch::autograd {
struct Node;
}  // namespace torch::autograd

namespace lockstep {

struct Model;

/// Takes the value of layout entry `entry`: a gradient, a batch statistic, or the metrics.
using GradientSink = std::function<void(std::size_t entry, const at::Tensor& value)>;

/// A hook on every parameter of a model, which autograd calls as soon as the parameter's gradient is
/// complete, so that it is added, and perhaps sent, while backward goes on.
class GradientHooks {
 public:
  /// `model` must be attached to its memory already: a parameter that moves to another device forgets its
  /// hook.
  GradientHooks(Model& model, const Layout& layout);
  ~GradientHooks();
  GradientHooks(const GradientHooks&) = delete;
  GradientHooks& operator=(const GradientHooks&) = delete;

  /// Computes the gradients of `loss`, a scalar, and hands each over to `sink`; on a GPU from the thread that
  /// autograd has for it. No parameter keeps a gradient.
  void backward(const at::Tensor& loss, const GradientSink& sink);

 private:
  struct Hook {
    std::shared_ptr<torch::autograd::Node> accumulator;  ///< lives as long as somebody holds it
    std::uintptr_t key;
  };
  const GradientSink* sink_ = nullptr;  ///< of the backward pass under way
  std::vector<Hook> hooks_;
};

}  // namespace lockstep
