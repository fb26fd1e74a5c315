// What launches do to memory. lockstep's own kernels run thread by thread, as do LibTorch's additions,
// fillings and conversions that make up sums of gradients. Of other kernels at most the accesses are known.
#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <typeinfo>

#include "collectives/tree_sum_kernel.hpp"
#include "tests/support/ghost_gpu/ghost.hpp"
#include "worker/optim/update_kernels.hpp"

namespace lockstep::ghost {
namespace {

using Arguments = void**;

template <class T>
T argument(Arguments arguments, int index) {
  T value;
  std::memcpy(&value, arguments[index], sizeof value);
  return value;
}

bool names(const std::string& kernel, std::string_view part) {
  return kernel.find(part) != std::string::npos;
}

// --- lockstep's own ---

Work tree_sum(const TreeSum& launch, std::int64_t count) {
  const std::size_t bytes = sizeof(float) * count;
  const auto bytes_of_partial_sum = launch.stored == GradientFormat::float32 ? bytes : bytes / 2;
  Work work;
  for (int p = 0; p < launch.size; ++p)
    work.accesses.push_back({launch.partial_sum[p], bytes_of_partial_sum, false});
  if (launch.sum != nullptr) work.accesses.push_back({launch.sum, bytes, true});
  if (launch.held > 0) work.accesses.push_back({launch.rest, launch.held * bytes, false});
  if (launch.sum == nullptr) {
    int held = launch.held;
    for (int p = 0; p < launch.size; ++p) held += 1 - launch.additions[p];
    work.accesses.push_back({launch.rest, held * bytes, true});
  }
  work.run = [=] {
    for (std::int64_t block = 0; block < tree_sum_blocks(count); ++block) {
      for (int thread = 0; thread < tree_sum_threads; ++thread) tree_sum_thread(launch, count, block, thread);
    }
  };
  return work;
}

Work encode(const float* values, std::uint16_t* codes, GradientFormat format, std::int64_t count) {
  return {{{values, sizeof(float) * count, false}, {codes, sizeof(std::uint16_t) * count, true}}, [=] {
            for (std::int64_t block = 0; block < tree_sum_blocks(count); ++block) {
              for (int thread = 0; thread < tree_sum_threads; ++thread)
                encode_thread(values, codes, format, count, block, thread);
            }
          }};
}

/// Touches every array of the shard that the job has, whichever of them the update rule reads and writes.
Work update(const UpdateJob& job, const std::function<void(std::int64_t, int)>& thread_of) {
  Work work{{{job.pieces, sizeof(Piece) * job.count, false}}, nullptr};
  const auto& arrays = job.arrays;
  for (float* array : {arrays.parameters, arrays.gradients, arrays.state[0], arrays.state[1],
                       arrays.direction, arrays.ema, arrays.swa}) {
    if (array == nullptr) continue;
    for (std::int64_t i = 0; i < job.count; ++i) {
      const auto& piece = job.pieces[i];
      work.accesses.push_back({array + piece.offset, sizeof(float) * piece.count, true});
    }
  }
  work.run = [=] {
    for (std::int64_t block = 0; block < job.count; ++block) {
      for (int thread = 0; thread < update_threads; ++thread) thread_of(block, thread);
    }
  };
  return work;
}

Work update_by_name(const std::string& kernel, const UpdateJob& job) {
  Work work;
  for (int rule = 0; rule <= static_cast<int>(UpdateRule::none); ++rule) {
    with_element(static_cast<UpdateRule>(rule), [&]<class Element>(Element) {
      // typeid gives N8lockstep3SgdE where the kernel has NS_3SgdE
      const std::string name = "NS_" + std::string(typeid(Element).name()).substr(sizeof "N8lockstep" - 1);
      if (names(kernel, name + "Lb1E"))
        work = update(job, [=](std::int64_t b, int t) { update_thread<Element, true>(job, b, t); });
      if (names(kernel, name + "Lb0E"))
        work = update(job, [=](std::int64_t b, int t) { update_thread<Element, false>(job, b, t); });
    });
  }
  return work;
}

Work lanes_of(const SquaresJob& job) {
  Work work{{{job.lane_sums, sizeof(double) * lanes * job.count, true}}, nullptr};
  for (std::int64_t i = 0; i < job.count; ++i)
    work.accesses.push_back({job.values + job.pieces[i].offset, sizeof(float) * job.pieces[i].count, false});
  work.run = [=] {
    for (std::int64_t index = 0; index < job.count * lanes; ++index) lane_thread(job, index);
  };
  return work;
}

Work fold_of(const SquaresJob& job) {
  return {{{job.lane_sums, sizeof(double) * lanes * job.count, false},
           {job.sums, sizeof(double) * job.count, true}},
          [=] {
            for (std::int64_t index = 0; index < job.count; ++index) fold_thread(job, index);
          }};
}

// --- LibTorch's kernels whose names say enough: (int n, functor, array<char*, N>) ---

template <std::size_t count>
std::array<char*, count> pointers(Arguments arguments) {
  return argument<std::array<char*, count>>(arguments, 2);
}

/// at::add of float32, and add_ in place; `alpha` is the functor's only member.
Work add_of_torch(Arguments arguments) {
  const auto n = argument<int>(arguments, 0);
  const auto alpha = argument<float>(arguments, 1);
  const auto data = pointers<3>(arguments);
  const std::size_t bytes = sizeof(float) * n;
  return {{{data[1], bytes, false}, {data[2], bytes, false}, {data[0], bytes, true}}, [=] {
            const auto* const left = reinterpret_cast<const float*>(data[1]);
            const auto* const right = reinterpret_cast<const float*>(data[2]);
            auto* const sum = reinterpret_cast<float*>(data[0]);
            for (int i = 0; i < n; ++i) sum[i] = left[i] + alpha * right[i];
          }};
}

Work fill_of_torch(Arguments arguments) {
  const auto n = argument<int>(arguments, 0);
  const auto value = argument<float>(arguments, 1);
  const auto data = pointers<1>(arguments);
  return {{{data[0], sizeof(float) * n, true}},
          [=] { std::fill_n(reinterpret_cast<float*>(data[0]), n, value); }};
}

/// Float32 to a 16-bit format, as Tensor.to() does.
Work narrow_of_torch(Arguments arguments, GradientFormat format) {
  const auto n = argument<int>(arguments, 0);
  const auto data = pointers<2>(arguments);
  return {{{data[1], sizeof(float) * n, false}, {data[0], sizeof(std::uint16_t) * n, true}}, [=] {
            const auto* const values = reinterpret_cast<const float*>(data[1]);
            auto* const codes = reinterpret_cast<std::uint16_t*>(data[0]);
            for (int i = 0; i < n; ++i) codes[i] = encoded(rounded(values[i], format), format);
          }};
}

/// Widens a 16-bit format to float32. The first byte of the argument behind the two offset calculators is
/// LibTorch's number of the type that is read.
Work widen_of_torch(Arguments arguments) {
  constexpr char half = 5, bfloat16 = 15;
  const char type = *static_cast<const char*>(arguments[5]);
  if (type != half && type != bfloat16) return {};
  const auto format = type == half ? GradientFormat::fp16 : GradientFormat::bf16;
  const auto n = argument<int>(arguments, 0);
  const auto data = pointers<2>(arguments);
  return {{{data[1], sizeof(std::uint16_t) * n, false}, {data[0], sizeof(float) * n, true}}, [=] {
            const auto* const codes = reinterpret_cast<const std::uint16_t*>(data[1]);
            auto* const values = reinterpret_cast<float*>(data[0]);
            for (int i = 0; i < n; ++i) values[i] = decoded(codes[i], format);
          }};
}

/// Other kernels of this form: at least one byte of each element is read or written.
Work touch_of_torch(const std::string& kernel, Arguments arguments) {
  const auto form = kernel.find("St5arrayIPcLm");
  if (form == std::string::npos) return {};
  const int count = kernel[form + sizeof "St5arrayIPcLm" - 1] - '0';
  const auto n = argument<int>(arguments, 0);
  Work work;
  for (int i = 0; i < count; ++i) {
    char* data = nullptr;
    std::memcpy(&data, static_cast<char*>(arguments[2]) + sizeof(char*) * i, sizeof data);
    work.accesses.push_back({data, static_cast<std::size_t>(n), i == 0});
  }
  return work;
}

}  // namespace

Work work_of(const std::string& kernel, void** arguments) {
  if (names(kernel, "15tree_sum_kernelE"))
    return tree_sum(argument<TreeSum>(arguments, 0), argument<std::int64_t>(arguments, 1));
  if (names(kernel, "13encode_kernelE"))
    return encode(argument<const float*>(arguments, 0), argument<std::uint16_t*>(arguments, 1),
                  argument<GradientFormat>(arguments, 2), argument<std::int64_t>(arguments, 3));
  if (names(kernel, "13update_kernelI")) return update_by_name(kernel, argument<UpdateJob>(arguments, 0));
  if (names(kernel, "11lane_kernelE")) return lanes_of(argument<SquaresJob>(arguments, 0));
  if (names(kernel, "11fold_kernelE")) return fold_of(argument<SquaresJob>(arguments, 0));
  if (names(kernel, "27unrolled_elementwise_kernelIZZZNS0_23direct_copy_kernel_cuda") &&
      names(kernel, "EUlfE_St5arrayIPcLm2EE"))
    return widen_of_torch(arguments);
  if (!names(kernel, "29vectorized_elementwise_kernelI")) return {};
  if (names(kernel, "25bfloat16_copy_kernel_cuda") && names(kernel, "EUlfE_"))
    return narrow_of_torch(arguments, GradientFormat::bf16);
  if (names(kernel, "24float16_copy_kernel_cuda") && names(kernel, "EUlfE_"))
    return narrow_of_torch(arguments, GradientFormat::fp16);
  if (names(kernel, "15CUDAFunctor_addIfE") && names(kernel, "arrayIPcLm3E")) return add_of_torch(arguments);
  if (names(kernel, "11FillFunctorIfE")) return fill_of_torch(arguments);
  return touch_of_torch(kernel, arguments);
}

}  // namespace lockstep::ghost
