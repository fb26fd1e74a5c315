#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <cmath>

#include "worker/optim/optimizer.hpp"

namespace lockstep {
namespace {

/// Approximates the nearest semi-orthogonal matrix: singular values end between 0.7 and 1.2. float32 [rows,
/// columns]. Newton-Schulz iteration of fifth order with the coefficients of Jordan 2024.
at::Tensor orthogonalised(const at::Tensor& matrix, std::int64_t iterations) {
  constexpr double a = 3.4445, b = -4.7750, c = 2.0315, least_norm = 1e-7;
  const bool tall = matrix.size(0) > matrix.size(1);
  auto x = tall ? matrix.t().contiguous() : matrix.clone();
  x.div_(x.norm().clamp_min(least_norm));
  for (std::int64_t i = 0; i < iterations; ++i) {
    const auto gram = at::mm(x, x.t());
    const auto polynomial = at::addmm(gram, gram, gram, b, c);
    x = at::addmm(x, polynomial, x, a, 1);
  }
  return tall ? x.t() : x;
}

}  // namespace

void update_muon_matrix(const Config::Optimizer& settings, const MatrixUpdate& matrix) {
  at::NoGradGuard no_grad;
  const auto gradient = matrix.gradients * matrix.gradient_scale;
  auto momentum = matrix.momentum, parameters = matrix.parameters;
  momentum.mul_(settings.momentum).add_(gradient, 1.0 - settings.momentum);
  const auto ahead =
      settings.nesterov ? gradient * (1.0 - settings.momentum) + momentum * settings.momentum : momentum;
  const auto longer = static_cast<double>(std::max(matrix.parameters.size(0), matrix.parameters.size(1)));
  parameters.mul_(1.0 - matrix.learning_rate * matrix.weight_decay);
  parameters.sub_(orthogonalised(ahead, settings.muon_iterations),
                  matrix.learning_rate * 0.2 * std::sqrt(longer));
}

}  // namespace lockstep
