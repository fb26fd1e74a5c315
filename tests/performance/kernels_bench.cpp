// The loops of a step over whole shards, on one core: GB/s of memory that must be read and written, compared
// with memcpy; and batch norm with ReLU compared with LibTorch's. Run it without arguments;
// --benchmark_filter=REGEX selects benchmarks.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <benchmark/benchmark.h>
#include <torch/csrc/autograd/variable.h>

#include <cstring>
#include <string>
#include <vector>

#include "collectives/add_tree.hpp"
#include "worker/models/batch_norm_relu.hpp"
#include "worker/optim/sum_of_squares.hpp"
#include "worker/optim/update_loops.hpp"

namespace lockstep {
namespace {

constexpr std::int64_t count = std::int64_t{1} << 23;  // 32 MiB an array: beyond the caches
constexpr std::int64_t block = 4096;                   // elements of the grid's blocks

/// `bytes_per_element`: read and written, each counted once.
void report(benchmark::State& run, std::int64_t bytes_per_element) {
  run.SetBytesProcessed(static_cast<std::int64_t>(run.iterations()) * count * bytes_per_element);
}

void copy(benchmark::State& run) {
  const std::vector<float> from(count, 1);
  std::vector<float> to(count);
  for (auto _ : run) {
    std::memcpy(to.data(), from.data(), sizeof(float) * count);
    benchmark::ClobberMemory();
  }
  report(run, 8);
}

void squares(benchmark::State& run) {
  const std::vector<float> values(count, 0.5F);
  for (auto _ : run) {
    double sum = 0;
    for (std::int64_t begin = 0; begin < count; begin += block) {
      sum += sum_of_squares(values.data() + begin, block);
    }
    benchmark::DoNotOptimize(sum);
  }
  report(run, 4);
}

void tree_sum(benchmark::State& run) {
  const auto pieces = run.range(0);
  const std::vector<std::vector<float>> values(pieces, std::vector<float>(count, 1));
  std::vector<const float*> data;
  for (const auto& piece : values) data.push_back(piece.data());
  const auto merges = merge_schedule(pieces, static_cast<int>(pieces));
  std::vector<float> sum(count);
  for (auto _ : run) {
    add_tree(data, merges, sum.data(), count);
    benchmark::ClobberMemory();
  }
  report(run, 4 * (pieces + 1));
}

/// `bytes`: per element without the average, which reads and writes 8 more.
void update(benchmark::State& run, UpdateRule rule, std::int64_t bytes, bool averaged) {
  std::vector<std::vector<float>> arrays(7, std::vector<float>(count, 0.5F));
  std::vector<Piece> pieces;
  for (std::int64_t begin = 0; begin < count; begin += block) pieces.push_back({begin, block, 0});
  const Factors factors{0.01F, 0.999F, 0.001F, 0.001F, 1, 0.001F};
  const StepNumbers numbers{.scale = 0.1F,
                            .limit = 1,
                            .momentum = 0.9F,
                            .beta1 = 0.9F,
                            .beta2 = 0.99F,
                            .rest1 = 0.1F,
                            .rest2 = 0.01F,
                            .alpha = 0.9F,
                            .rest = 0.1F,
                            .eps = 1e-8F,
                            .rho = 0.04F,
                            .correction = 0.5F,
                            .root = 0.5F,
                            .samples_share = 0.1F,
                            .statistics_share = 0.1F,
                            .ema_weight = 0.001F,
                            .member = 2,
                            .nesterov = true};
  const UpdateJob job{{arrays[0].data(),
                       arrays[1].data(),
                       {arrays[2].data(), arrays[3].data()},
                       arrays[4].data(),
                       arrays[5].data(),
                       arrays[6].data()},
                      numbers,
                      pieces.data(),
                      &factors,
                      std::ssize(pieces)};
  for (auto _ : run) {
    update_in_host_memory(rule, averaged, job);
    benchmark::ClobberMemory();
  }
  report(run, bytes + (averaged ? 8 : 0));
}

void register_updates() {
  const struct {
    const char* name;
    UpdateRule rule;
    std::int64_t bytes;
  } rules[] = {{"sgd", UpdateRule::sgd, 20},         {"adam", UpdateRule::adam, 28},
               {"adamw", UpdateRule::adamw, 28},     {"rmsprop", UpdateRule::rmsprop, 28},
               {"lars", UpdateRule::lars, 20},       {"lamb_direction", UpdateRule::lamb_direction, 28},
               {"lamb", UpdateRule::lamb, 12},       {"lion", UpdateRule::lion, 20},
               {"sophia", UpdateRule::sophia, 24},   {"curvature", UpdateRule::curvature, 12},
               {"ema_alone", UpdateRule::none, 4},   {"swa_mean", UpdateRule::mean, 12},
               {"clip_values", UpdateRule::clip, 8}, {"statistics", UpdateRule::statistics, 12}};
  for (const auto& [name, rule, bytes] : rules) {
    for (const bool averaged : {false, true}) {
      if (rule == UpdateRule::none && !averaged) continue;
      const auto full = std::string("update/") + name + (averaged ? "/with_ema" : "");
      benchmark::RegisterBenchmark(full.c_str(), update, rule, bytes, averaged)
          ->Unit(benchmark::kMillisecond);
    }
  }
}

/// Forward and backward of a layer of ResNet-20 on a micro-batch of 32, in one pass or one after the other.
void batch_norm(benchmark::State& run, bool fused, bool skips) {
  at::set_num_threads(1);
  const auto channels = run.range(0), side = run.range(1);
  const auto picture = [&] {
    return at::randn({32, channels, side, side}).to(at::MemoryFormat::ChannelsLast);
  };
  const auto x = picture().set_requires_grad(true), gradient = picture();
  const auto skipped = skips ? picture().set_requires_grad(true) : at::Tensor();
  const auto weight = at::ones({channels}).set_requires_grad(true);
  const auto bias = at::zeros({channels}).set_requires_grad(true);
  auto mean = at::zeros({channels}), variance = at::ones({channels});
  for (auto _ : run) {
    at::Tensor out;
    if (fused) {
      out = batch_norm_relu(x, weight, bias, skipped, 1e-5, mean, variance);
    } else {
      out = at::batch_norm(x, weight, bias, mean, variance, true, 1.0, 1e-5, true);
      if (skips) out.add_(skipped);
      out.relu_();
    }
    out.backward(gradient);
    for (const auto& input : {x, weight, bias, skipped}) {
      if (input.defined()) input.mutable_grad().reset();
    }
  }
}

void register_batch_norms() {
  for (const bool fused : {false, true}) {
    for (const bool skips : {false, true}) {
      const auto name =
          std::string(fused ? "batch_norm_relu" : "libtorch_batch_norm_relu") + (skips ? "/with_sum" : "");
      benchmark::RegisterBenchmark(name.c_str(), batch_norm, fused, skips)
          ->Args({16, 28})
          ->Args({64, 7})
          ->Unit(benchmark::kMicrosecond);
    }
  }
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  benchmark::Initialize(&argc, argv);
  benchmark::RegisterBenchmark("memcpy", copy)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("sum_of_squares", squares)->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("tree_sum", tree_sum)->Arg(2)->Arg(4)->Arg(8)->Unit(benchmark::kMillisecond);
  register_updates();
  register_batch_norms();
  benchmark::RunSpecifiedBenchmarks();
}
