// A planted mistake, for the tests of the audit: replaces worker/step/gradient_hooks.cpp and hands over
// gradients with one bit flipped, like a processor with silent errors. LOCKSTEP_FLIP is "RANK STEP
// MICRO_BATCH PLACE": on that rank, in the step after STEP steps, the first time that it computes that
// micro-batch; with MICRO_BATCH -1, from that step on and in every micro-batch that the rank computes. PLACE
// counts the bits of all parameters.
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/utils/lambda_post_hook.h>
#include <torch/csrc/autograd/variable.h>

#include <cstdlib>
#include <sstream>

#include "worker/models/model.hpp"
#include "worker/step/gradient_hooks.hpp"

namespace lockstep {
namespace {

struct Flip {
  std::string rank = "none";
  std::uint64_t step = 0;
  std::int64_t micro_batch = 0, place = 0;
  bool done = false;
};

Flip& flip() {
  static Flip flip = [] {
    Flip read;
    if (const char* text = std::getenv("LOCKSTEP_FLIP"))
      std::istringstream(text) >> read.rank >> read.step >> read.micro_batch >> read.place;
    return read;
  }();
  return flip;
}

bool flips_now(const DrawKey& draws) {
  const char* rank = std::getenv("OMPI_COMM_WORLD_RANK");
  if (rank == nullptr || flip().rank != rank) return false;
  if (flip().micro_batch < 0) return draws.step >= flip().step;
  return !flip().done && draws.step == flip().step &&
         draws.micro_batch == static_cast<std::uint64_t>(flip().micro_batch);
}

void corrupt(at::Tensor& gradient, std::int64_t first_element) {
  const auto element = flip().place / 32 - first_element;
  if (element < 0 || element >= gradient.numel()) return;
  static_cast<std::uint32_t*>(gradient.data_ptr())[element] ^= 1U << (flip().place % 32);
  flip().done = true;
}

}  // namespace

GradientHooks::GradientHooks(Model& model, const Layout& layout) {
  using torch::autograd::variable_list;
  using torch::autograd::utils::LambdaPostHook;
  const auto parameters = model.named_parameters();
  std::int64_t first_element = 0;
  for (std::size_t entry = 0; entry < parameters.size(); ++entry) {
    auto parameter = parameters[layout.entries()[entry].name];
    auto accumulator = torch::autograd::impl::grad_accumulator(parameter);
    const auto key = accumulator->add_post_hook(
        std::make_unique<LambdaPostHook>([this, entry, parameter, first_element, &model](
                                             const variable_list& outputs, const variable_list&) mutable {
          at::NoGradGuard no_grad;
          auto& gradient = parameter.mutable_grad();
          if (flips_now(model.draws)) corrupt(gradient, first_element);
          (*sink_)(entry, gradient);
          gradient.reset();
          return outputs;
        }));
    hooks_.push_back({std::move(accumulator), key});
    first_element += parameter.numel();
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
