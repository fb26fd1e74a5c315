#include "worker/models/batch_norm_relu.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>
#include <optional>
#include <type_traits>

#include "common/error.hpp"

#if defined(__AVX2__) && defined(__FMA__)
#include <immintrin.h>
#endif

namespace lockstep {
namespace {

#if defined(__AVX2__) && defined(__FMA__)

constexpr std::int64_t lanes = 8;  // floats of a register

template <int n>
struct Registers {
  __m256 r[n]{};
  __m256& operator[](int i) { return r[i]; }
};

__m256 load(const float* from) { return _mm256_loadu_ps(from); }
void store(float* to, __m256 values) { _mm256_storeu_ps(to, values); }

__m256 widened(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

/// To bfloat16: to the nearest, ties to even; all bits set for NaN.
__m128i narrowed(__m256 values) {
  const auto bits = _mm256_castps_si256(values);
  const auto odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const auto up = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const auto nan = _mm256_castps_si256(_mm256_cmp_ps(values, values, _CMP_UNORD_Q));
  const auto upper = _mm256_srli_epi32(_mm256_or_si256(up, nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(upper), _mm256_extracti128_si256(upper, 1));
}

__m256 load(const at::BFloat16* from) {
  return widened(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
void store(at::BFloat16* to, __m256 values) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), narrowed(values));
}

/// `values` rounded as LibTorch stores them between two operations.
template <class T>
__m256 as_stored(__m256 values) {
  if constexpr (std::is_same_v<T, float>) return values;
  return widened(narrowed(values));
}

/// The shape of an activation tensor as rows of channels.
struct Shape {
  std::int64_t rows, channels;
};

Shape shape_of(const at::Tensor& x) { return {x.numel() / x.size(1), x.size(1)}; }

/// Divides the channels into parts whose sums stay in registers, and calls part(first channel,
/// std::integral_constant of registers) for each.
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
template <class T>
void sum_rows(const T* x, Shape shape, float* sum) {
  for_parts<8>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> total;
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      const auto* row = x + i * shape.channels + c;
      for (int r = 0; r < n; ++r) total[r] = total[r] + load(row + r * lanes);
    }
    for (int r = 0; r < n; ++r) store(sum + c + r * lanes, total[r]);
  });
}

template <class T>
void sum_squares(const T* x, const float* mean, Shape shape, float* sum) {
  for_parts<4>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> total, means;
    for (int r = 0; r < n; ++r) means[r] = load(mean + c + r * lanes);
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      const auto* row = x + i * shape.channels + c;
      for (int r = 0; r < n; ++r) {
        const auto deviation = load(row + r * lanes) - means[r];
        total[r] = _mm256_fmadd_ps(deviation, deviation, total[r]);
      }
    }
    for (int r = 0; r < n; ++r) store(sum + c + r * lanes, total[r]);
  });
}

/// out = relu(x * scale + shift + skipped), without `skipped` if it is null. Sets a bit in `open` for each
/// element that ReLU lets through.
template <class T>
void transform(const T* x, const float* scale, const float* shift, const T* skipped, Shape shape, T* out,
               std::uint8_t* open) {
  for (std::int64_t i = (shape.rows - 1) * shape.channels; i >= 0; i -= shape.channels) {
    for (std::int64_t c = 0; c < shape.channels; c += lanes) {
      auto y = as_stored<T>(_mm256_fmadd_ps(load(x + i + c), load(scale + c), load(shift + c)));
      if (skipped) y = as_stored<T>(y + load(skipped + i + c));
      store(out + i + c, _mm256_max_ps(_mm256_setzero_ps(), y));  // in this operand order NaN stays NaN
      const auto passes = _mm256_cmp_ps(y, _mm256_setzero_ps(), _CMP_NLE_UQ);
      open[(i + c) / lanes] = static_cast<std::uint8_t>(_mm256_movemask_ps(passes));
    }
  }
}

/// The gradient where ReLU was open, and 0 elsewhere.
template <class T>
__m256 through_relu(std::uint8_t open, const T* gradient) {
  const auto bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
  const auto passes = _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(open), bits), bits);
  return _mm256_and_ps(_mm256_castsi256_ps(passes), load(gradient));
}

/// For each channel the sums of g and of (x - mean) * g, where g is the gradient masked by ReLU. Stores g in
/// `through` if it is not null.
template <class T>
void sum_gradients(const T* x, const float* mean, const std::uint8_t* open, const T* gradient, Shape shape,
                   T* through, float* sum, float* product) {
  for_parts<4>(shape.channels, [&]<int n>(std::int64_t c, std::integral_constant<int, n>) {
    Registers<n> sums, products, means;
    for (int r = 0; r < n; ++r) means[r] = load(mean + c + r * lanes);
    for (std::int64_t i = 0; i < shape.rows; ++i) {
      for (int r = 0; r < n; ++r) {
        const auto at = i * shape.channels + c + r * lanes;
        const auto g = through_relu(open[at / lanes], gradient + at);
        if (through) store(through + at, g);
        sums[r] = sums[r] + g;
        products[r] = _mm256_fmadd_ps(load(x + at) - means[r], g, products[r]);
      }
    }
    for (int r = 0; r < n; ++r) {
      store(sum + c + r * lanes, sums[r]);
      store(product + c + r * lanes, products[r]);
    }
  });
}

/// from - a * b. LibTorch rounds the product for bfloat16 only.
__m256 minus_product(__m256 from, __m256 a, __m256 b, float) { return _mm256_fnmadd_ps(a, b, from); }
__m256 minus_product(__m256 from, __m256 a, __m256 b, at::BFloat16) { return from - a * b; }

struct Channel {
  const float *mean, *inverse_deviation, *weight, *slope, *gradient_mean;
};

/// (g - gradient_mean - (x - mean) * slope) * inverse_deviation * weight. If `through` is not null, it has
/// the g that sum_gradients() has stored.
template <class T>
void gradients_of_input(const T* x, const std::uint8_t* open, const T* gradient, const T* through,
                        Channel channel, Shape shape, T* of_input) {
  for (std::int64_t i = (shape.rows - 1) * shape.channels; i >= 0; i -= shape.channels) {
    for (std::int64_t c = 0; c < shape.channels; c += lanes) {
      const auto g = through ? load(through + i + c) : through_relu(open[(i + c) / lanes], gradient + i + c);
      const auto deviation = load(x + i + c) - load(channel.mean + c);
      const auto centred =
          minus_product(g - load(channel.gradient_mean + c), deviation, load(channel.slope + c), T());
      store(of_input + i + c, centred * load(channel.inverse_deviation + c) * load(channel.weight + c));
    }
  }
}

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// The autograd function for activations of type T.
template <class T>
struct BatchNormRelu : torch::autograd::Function<BatchNormRelu<T>> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& bias, const std::optional<at::Tensor>& skipped, double epsilon,
                            at::Tensor mean_out, at::Tensor variance_out) {
    const auto shape = shape_of(x);
    auto out = at::empty_like(x);
    auto open = at::empty({x.numel() / lanes}, x.options().dtype(at::kByte));
    auto per_channel = at::empty({4, shape.channels}, weight.options());
    auto *mean = per_channel.data_ptr<float>(), *inverse_deviation = mean + shape.channels,
         *scale = inverse_deviation + shape.channels, *shift = scale + shape.channels;
    auto *means = mean_out.data_ptr<float>(), *variances = variance_out.data_ptr<float>();
    const auto *weights = weight.const_data_ptr<float>(), *biases = bias.const_data_ptr<float>();
    const auto* values = x.const_data_ptr<T>();
    sum_rows(values, shape, mean);
    for (std::int64_t c = 0; c < shape.channels; ++c) mean[c] /= static_cast<float>(shape.rows);
    sum_squares(values, mean, shape, scale);
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      const auto squares = scale[c];
      means[c] = mean[c];
      variances[c] = squares / static_cast<float>(shape.rows - 1);
      const double biased = squares / static_cast<float>(shape.rows);
      inverse_deviation[c] = static_cast<float>(1 / std::sqrt(biased + epsilon));
      scale[c] = inverse_deviation[c] * weights[c];
      shift[c] = std::fma(-mean[c], scale[c], biases[c]);
    }
    transform(values, scale, shift, skipped ? skipped->const_data_ptr<T>() : nullptr, shape,
              out.data_ptr<T>(), open.data_ptr<std::uint8_t>());
    context->save_for_backward({x, weight, open, per_channel});
    context->saved_data["skips"] = skipped.has_value();
    return out;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const auto shape = shape_of(x);
    const auto count = static_cast<float>(shape.rows);
    const auto* open = saved[2].const_data_ptr<std::uint8_t>();
    const auto *mean = saved[3].const_data_ptr<float>(), *inverse_deviation = mean + shape.channels;
    const auto gradient = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    auto of_input = at::empty_like(x), of_weight = at::empty_like(weight), of_bias = at::empty_like(weight);
    auto of_skipped = context->saved_data["skips"].toBool() ? at::empty_like(x) : at::Tensor();
    auto per_channel = at::empty({2, shape.channels}, weight.options());
    auto *slope = per_channel.data_ptr<float>(), *gradient_mean = slope + shape.channels;
    auto *sum = of_bias.data_ptr<float>(), *product = of_weight.data_ptr<float>();
    const auto *values = x.const_data_ptr<T>(), *given = gradient.const_data_ptr<T>();
    T* const through = of_skipped.defined() ? of_skipped.data_ptr<T>() : nullptr;
    sum_gradients(values, mean, open, given, shape, through, sum, product);
    for (std::int64_t c = 0; c < shape.channels; ++c) {
      slope[c] = product[c] * inverse_deviation[c] * inverse_deviation[c] / count;
      gradient_mean[c] = sum[c] / count;
      product[c] = product[c] * inverse_deviation[c];
    }
    const Channel channel{mean, inverse_deviation, weight.const_data_ptr<float>(), slope, gradient_mean};
    gradients_of_input<T>(values, open, given, through, channel, shape, of_input.data_ptr<T>());
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
  constexpr std::int64_t exact = 1 << 24;  // counts below are exact in float32
  // A tensor that is contiguous in both layouts takes LibTorch's other path. LibTorch takes sixteen bfloat16
  // at a time.
  const auto usable = [](const at::Tensor& t) {
    return t.device().is_cpu() && t.dim() == 4 && !t.is_contiguous() &&
           t.is_contiguous(at::MemoryFormat::ChannelsLast) &&
           ((t.scalar_type() == at::kFloat && t.size(1) % lanes == 0) ||
            (t.scalar_type() == at::kBFloat16 && t.size(1) % (2 * lanes) == 0));
  };
  if (!usable(x) || shape_of(x).rows >= exact || shape_of(x).rows < 2) return false;
  if (skipped.defined() &&
      (!usable(skipped) || skipped.sizes() != x.sizes() || skipped.scalar_type() != x.scalar_type()))
    return false;
  return at::get_num_threads() == 1 && libtorch_fuses_multiply_add();
}

at::Tensor batch_norm_relu(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const at::Tensor& skipped, double epsilon, at::Tensor& mean,
                           at::Tensor& variance) {
  const auto added = skipped.defined() ? std::optional(skipped) : std::nullopt;
  return x.scalar_type() == at::kFloat
             ? BatchNormRelu<float>::apply(x, weight, bias, added, epsilon, mean, variance)
             : BatchNormRelu<at::BFloat16>::apply(x, weight, bias, added, epsilon, mean, variance);
}

#else

bool can_fuse_batch_norm_relu(const at::Tensor&, const at::Tensor&) { return false; }

at::Tensor batch_norm_relu(const at::Tensor&, const at::Tensor&, const at::Tensor&, const at::Tensor&, double,
                           at::Tensor&, at::Tensor&) {
  throw Error(ExitCode::bug, "batch norm and ReLU are not fused in this build");
}

#endif

}  // namespace lockstep
