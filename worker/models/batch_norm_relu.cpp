#include "worker/models/batch_norm_relu.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <immintrin.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>

#include "common/error.hpp"

namespace lockstep {
namespace {

#if defined(__AVX2__) && defined(__FMA__)

constexpr std::int64_t lanes = 8;  // floats of a register

template <int n>
struct Registers {
  __m256 r[n]{};
  __m256& operator[](int i) { return r[i]; }
};

/// An activation as rows of channels.
struct Shape {
  std::int64_t rows, channels;
};

Shape shape_of(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1)}; }

/// Calls part(first channel, std::integral_constant of registers) for parts of the channels whose sums stay
/// in registers.
template <int most, class Part>
void for_parts(std::int64_t channels, const Part& part) {
  std::int64_t c = 0;
  const auto take = [&]<int registers>(std::integral_constant<int, registers> size) {
    if constexpr (registers <= most) {
      for (; channels - c >= registers * lanes; c += registers * lanes) part(c, size);
    }
  };
  take(std::integral_constant<int, 8>());
  take(std::integral_constant<int, 4>());
  take(std::integral_constant<int, 2>());
  take(std::integral_constant<int, 1>());
}

/// sum[c] = x[0][c] + x[1][c] + ..., one after the other.
void sum_rows(const float* x, Shape shape, float* sum) {
  for_parts<8>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> total;
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      const auto* row = x + i * shape.channels + c;
      for (int r = 0; r < n; ++r) total[r] = total[r] + _mm256_loadu_ps(row + r * lanes);
    }
    for (int r = 0; r < n; ++r) _mm256_storeu_ps(sum + c + r * lanes, total[r]);
  });
}

void sum_squares(const float* x, const float* mean, Shape shape, float* sum) {
  for_parts<4>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> total, means;
    for (int r = 0; r < n; ++r) means[r] = _mm256_loadu_ps(mean + c + r * lanes);
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      const auto* row = x + i * shape.channels + c;
      for (int r = 0; r < n; ++r) {
        const auto deviation = _mm256_loadu_ps(row + r * lanes) - means[r];
        total[r] = _mm256_fmadd_ps(deviation, deviation, total[r]);
      }
    }
    for (int r = 0; r < n; ++r) _mm256_storeu_ps(sum + c + r * lanes, total[r]);
  });
}

/// out = relu(x * scale + shift + skipped), and in `open` a bit for each element that ReLU lets through.
template <bool adds>
void transform(const float* x, const float* scale, const float* shift, const float* skipped, Shape shape,
               float* out, std::uint8_t* open) {
  for (std::int64_t i = (shape.rows - 1) * shape.channels; i >= 0; i -= shape.channels) {
    for (std::int64_t c = 0; c < shape.channels; c += lanes) {
      auto y =
          _mm256_fmadd_ps(_mm256_loadu_ps(x + i + c), _mm256_loadu_ps(scale + c), _mm256_loadu_ps(shift + c));
      if constexpr (adds) y = y + _mm256_loadu_ps(skipped + i + c);
      _mm256_storeu_ps(out + i + c, _mm256_max_ps(_mm256_setzero_ps(), y));  // in this order NaN stays
      const auto passes = _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_NLE_UQ);
      open[(i + c) / lanes] = static_cast<std::uint8_t>(_mm256_movemask_ps(passes));
    }
  }
}

/// The gradient where ReLU was open, and 0 elsewhere.
__m256 through_relu(std::uint8_t open, const float* gradient) {
  const auto bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const auto passes = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(open), bits), bits);
  return _mm256_and_ps(_mm256_castsi256_ps(passes), _mm256_loadu_ps(gradient));
}

/// Sums of g and of (x - mean) * g, where g is what goes through ReLU, which is kept in `through`.
template <bool keeps>
void sum_gradients(const float* x, const float* mean, const std::uint8_t* open, const float* gradient,
                   Shape shape, float* through, float* sum, float* product) {
  for_parts<4>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> sums, products, means;
    for (int r = 0; r < n; ++r) means[r] = _mm256_loadu_ps(mean + c + r * lanes);
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      for (int r = 0; r < n; ++r) {
        const auto at = i * shape.channels + c + r * lanes;
        const auto g = through_relu(open[at / lanes], gradient + at);
        if constexpr (keeps) _mm256_storeu_ps(through + at, g);
        sums[r] = sums[r] + g;
        products[r] = _mm256_fmadd_ps(_mm256_loadu_ps(x + at) - means[r], g, products[r]);
      }
    }
    for (int r = 0; r < n; ++r) {
      _mm256_storeu_ps(sum + c + r * lanes, sums[r]);
      _mm256_storeu_ps(product + c + r * lanes, products[r]);
    }
  });
}

struct Channel {
  const float *mean, *inverse_deviation, *weight, *slope, *gradient_mean;
};

/// (g - gradient_mean - (x - mean) * slope) * inverse_deviation * weight. `kept` says that `gradient` is
/// already what goes through ReLU.
template <bool kept>
void gradients_of_input(const float* x, const std::uint8_t* open, const float* gradient, Channel channel,
                        Shape shape, float* of_input) {
  for (std::int64_t i = (shape.rows - 1) * shape.channels; i >= 0; i -= shape.channels) {
    for (std::int64_t c = 0; c < shape.channels; c += lanes) {
      const auto g =
          kept ? _mm256_loadu_ps(gradient + i + c) : through_relu(open[(i + c) / lanes], gradient + i + c);
      const auto deviation = _mm256_loadu_ps(x + i + c) - _mm256_loadu_ps(channel.mean + c);
      const auto centred = _mm256_fnmadd_ps(deviation, _mm256_loadu_ps(channel.slope + c),
                                            g - _mm256_loadu_ps(channel.gradient_mean + c));
      _mm256_storeu_ps(of_input + i + c, centred * _mm256_loadu_ps(channel.inverse_deviation + c) *
                                             _mm256_loadu_ps(channel.weight + c));
    }
  }
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

struct BatchNormRelu : torch::autograd::Function<BatchNormRelu> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& skipped, double epsilon,
                            at::Tensor mean, at::Tensor variance) {
    const auto shape = shape_of(x);
    const auto count = static_cast<float>(shape.rows);
    auto out = at::empty_like(x);
    auto open = at::empty({x.numel() / lanes}, x.options().dtype(at::kByte));
    auto channels = at::empty({4, shape.channels}, x.options());
    auto *own_mean = channels.data_ptr<float>(), *inverse_deviation = own_mean + shape.channels,
         *scale = inverse_deviation + shape.channels, *shift = scale + shape.channels;
    const auto* values = x.const_data_ptr<float>();
    sum_rows(values, shape, own_mean);
    for (std::int64_t c = 0; c < shape.channels; ++c)
      own_mean[c] = static_cast<float>(static_cast<double>(own_mean[c]) / static_cast<double>(shape.rows));
    sum_squares(values, own_mean, shape, scale);
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const auto squares = scale[c];
      mean.data_ptr<float>()[c] = own_mean[c];
      variance.data_ptr<float>()[c] =
          static_cast<float>(static_cast<double>(squares) / static_cast<double>(shape.rows - 1));
      inverse_deviation[c] =
          static_cast<float>(1 / std::sqrt(static_cast<double>(squares / count) + epsilon));
      scale[c] = inverse_deviation[c] * weight.const_data_ptr<float>()[c];
      shift[c] = std::fma(-own_mean[c], scale[c], bias.const_data_ptr<float>()[c]);
    }
    if (skipped)
      transform<true>(values, scale, shift, skipped->const_data_ptr<float>(), shape, out.data_ptr<float>(),
                      open.data_ptr<std::uint8_t>());
    else
      transform<false>(values, scale, shift, nullptr, shape, out.data_ptr<float>(),
                       open.data_ptr<std::uint8_t>());
    context->save_for_backward({x, weight, open, channels});
    context->saved_data["skips"] = skipped.has_value();
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto shape = shape_of(x);
    const auto count = static_cast<float>(shape.rows);
    const auto* own_mean = saved[3].const_data_ptr<float>();
    const auto* inverse_deviation = own_mean + shape.channels;
    const auto gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    auto of_input = at::empty_like(x), of_weight = at::empty_like(weight), of_bias = at::empty_like(weight);
    auto per_channel = at::empty({2, shape.channels}, weight.options());
    auto *slope = per_channel.data_ptr<float>(), *gradient_mean = slope + shape.channels;
    const auto* values = x.const_data_ptr<float>();
    const auto* open = saved[2].const_data_ptr<std::uint8_t>();
    auto *sum = of_bias.data_ptr<float>(), *product = of_weight.data_ptr<float>();
    at::Tensor of_skipped;
    if (context->saved_data["skips"].toBool()) {
      of_skipped = at::empty_like(x);
      sum_gradients<true>(values, own_mean, open, gradient.const_data_ptr<float>(), shape,
                          of_skipped.data_ptr<float>(), sum, product);
    } else {
      sum_gradients<false>(values, own_mean, open, gradient.const_data_ptr<float>(), shape, nullptr, sum,
                           product);
    }
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      slope[c] = product[c] * inverse_deviation[c] * inverse_deviation[c] / count;
      gradient_mean[c] = sum[c] / count;
      product[c] = product[c] * inverse_deviation[c];
    }
    const Channel channel{own_mean, inverse_deviation, weight.const_data_ptr<float>(), slope, gradient_mean};
    if (of_skipped.defined())
      gradients_of_input<true>(values, nullptr, of_skipped.const_data_ptr<float>(), channel, shape,
                               of_input.data_ptr<float>());
    else
      gradients_of_input<false>(values, open, gradient.const_data_ptr<float>(), channel, shape,
                                of_input.data_ptr<float>());
    return {of_input, of_weight, of_bias, of_skipped, {}, {}, {}};
  }
};

bool libtorch_fuses_multiply_add() {
  static const bool fuses = at::get_cpu_capability() == "AVX2" || at::get_cpu_capability() == "AVX512";
  return fuses;
}

#endif

}  // namespace

#if defined(__AVX2__) && defined(__FMA__)

bool can_fuse_batch_norm_relu(const at::Tensor& x, const at::Tensor& skipped) {
  constexpr std::int64_t exact = 1 << 24;        // counts as float32
  const auto usable = [](const at::Tensor& t) {  // where both layouts are one, LibTorch takes the other
    return t.device().is_cpu() && t.scalar_type() == at::kFloat && t.dim() == 4 && !t.is_contiguous() &&
           t.is_contiguous(at::MemoryFormat::ChannelsLast);
  };
  if (!usable(x) || x.size(1) % lanes != 0 || shape_of(x).rows >= exact || shape_of(x).rows < 2) return false;
  if (skipped.defined() && (!usable(skipped) || skipped.sizes() != x.sizes())) return false;
  return at::get_num_threads() == 1 && libtorch_fuses_multiply_add();
}

at::Tensor batch_norm_relu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const at::Tensor& skipped, double epsilon, at::Tensor& mean,
                           at::Tensor& variance) {
  return BatchNormRelu::apply(x, weight, bias, skipped.defined() ? std::optional(skipped) : std::nullopt,
                              epsilon, mean, variance);
}

#else

bool can_fuse_batch_norm_relu(const at::Tensor&, const at::Tensor&) { return false; }

at::Tensor batch_norm_relu(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double,
                           at::Tensor&, at::Tensor&) {
  throw Error(ExitCode::bug, "batch norm and ReLU are not fused in this build");
}

#endif

}  // namespace lockstep
