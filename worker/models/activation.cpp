#include "worker/models/activation.hpp"

#include "common/error.hpp"

namespace lockstep {
namespace {

std::string name_of(const Config::Model& settings) {
  if (settings.activation != "auto") return settings.activation;
  return settings.name == "convnext_tiny" || settings.name == "vit_tiny" ? "gelu" : "relu";
}

}  // namespace

torch::Tensor relu(const torch::Tensor& x) { return torch::Tensor(x).relu_(); }

Activation activation_of(const Config::Model& settings) {
  const auto name = name_of(settings);
  if (name == "relu") return relu;
  if (name == "leaky_relu") return [](const torch::Tensor& x) { return torch::leaky_relu(x, 0.01); };
  if (name == "gelu") return [](const torch::Tensor& x) { return torch::gelu(x); };
  if (name == "silu") return [](const torch::Tensor& x) { return torch::silu(x); };
  if (name == "mish") return [](const torch::Tensor& x) { return torch::mish(x); };
  if (name == "hardswish") return [](const torch::Tensor& x) { return torch::hardswish(x); };
  throw Error(ExitCode::bug, "model.activation = " + name + " has no function");
}

}  // namespace lockstep
