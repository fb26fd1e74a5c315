// tests/regression/planted/flips_gradient.cpp replaces this file at link time.
#include "worker/step/gradient_hooks.hpp"

#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cassert>

#include "worker/models/model.hpp"

namespace lockstep {

GradientHooks::GradientHooks(Model& model, const Layout& layout) {
  using torch::autograd::variable_list;
  using torch::autograd::utils::LambdaPostHook;
  const auto parameters = model.named_parameters();
  for (std::size_t entry = 0; entry < parameters.size(); ++entry) {  // parameters come first in a layout
    auto parameter = parameters[layout.entries()[entry].name];
    auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
    const auto key = accumulator->add_post_hook(std::make_unique<LambdaPostHook>(
        [this, entry, parameter](const variable_list& outputs, const variable_list&) mutable {
          at::NoGradGuard no_grad;
          auto& gradient = parameter.mutable_grad();
          assert(sink_);
          (*sink_)(entry, gradient);
          gradient.reset();  // so that the next backward creates its own tensor instead of adding to this
          return outputs;
        }));
    hooks_.push_back({std::move(accumulator), key});
  }
}

GradientHooks::~GradientHooks() {
  for (auto& hook : hooks_) hook.accumulator->del_post_hook(hook.key);
}

void GradientHooks::backward(const at::Tensor& loss, const GradientSink& sink) {
  struct Reset {
    const GradientSink*& sink;
    ~Reset() { sink = nullptr; }
  } const reset{sink_};
  sink_ = &sink;
  loss.backward();
}

}  // namespace lockstep
