// Compares every kernel on the GPU with the same work on the host, bit by bit, and measures its speed. Prints
// one JSON object for each to standard output. Exit status: 0, 1 if a bit differs, 2 if the GPU fails. With
// the argument "bits" nothing is timed, for compute-sanitizer.
#include <cmath>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "collectives/add_tree.hpp"
#include "collectives/tree.hpp"
#include "collectives/tree_sum_kernel.hpp"
#include "tests/contract/gradients.hpp"
#include "tests/gpu/on_gpu.hpp"
#include "worker/optim/update_loops.hpp"

namespace lockstep {
namespace {

constexpr int arrays_of_a_shard = 7;
constexpr std::int64_t shard_size = 200'003;
constexpr std::int64_t piece_size = 4096;
constexpr int launches_timed = 20;

int differences = 0;

template <typename Value>
bool same(Value a, Value b) {
  if (std::memcmp(&a, &b, sizeof a) == 0) return true;
  if constexpr (std::is_floating_point_v<Value>) return std::isnan(a) && std::isnan(b);  // any NaN will do
  return false;
}

template <typename Value>
void compare(const std::string& what, const std::vector<Value>& gpu, const std::vector<Value>& host) {
  std::int64_t count = 0, first = -1;
  for (std::size_t i = 0; i < host.size(); ++i) {
    if (same(gpu[i], host[i])) continue;
    if (count++ == 0) first = static_cast<std::int64_t>(i);
  }
  if (count > 0) ++differences;
  std::printf(R"({"kernel": "%s", "elements": %zu, "equal": %s)", what.c_str(), host.size(),
              count == 0 ? "true" : "false");
  if (count > 0) std::printf(R"(, "different": %ld, "first": %ld)", count, first);
  std::printf("}\n");
}

/// Values from about -1 to 1, or (`awkward`) of all magnitudes.
std::vector<float> floats(std::int64_t count, std::int64_t salt, bool awkward) {
  const auto any = contract::awkward_floats(static_cast<std::uint64_t>(salt));
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(awkward
                         ? any(0, i)
                         : static_cast<float>(contract::mixed(salt * shard_size + i) >> 40) / (1 << 23) - 1);
  return values;
}

std::vector<Piece> pieces_of(std::int64_t elements, int entries) {
  std::vector<Piece> pieces;
  for (std::int64_t begin = 0; begin < elements; begin += piece_size)
    pieces.push_back({begin, static_cast<std::int32_t>(std::min(piece_size, elements - begin)),
                      static_cast<std::int32_t>(pieces.size()) % entries});
  return pieces;
}

StepNumbers numbers() {
  return {.scale = 1 / 256.0F,
          .limit = 0.5F,
          .momentum = 0.9F,
          .beta1 = 0.9F,
          .beta2 = 0.999F,
          .rest1 = 0.1F,
          .rest2 = 0.001F,
          .alpha = 0.99F,
          .rest = 0.01F,
          .eps = 1e-8F,
          .rho = 0.04F,
          .correction = 0.5F,
          .root = 0.3F,
          .samples_share = 1 / 256.0F,
          .statistics_share = 1 / 8.0F,
          .ema_weight = 1e-4F,
          .member = 3,
          .nesterov = true};
}

const std::vector<Factors> factors = {
    {1e-4F, 0.999F, 0.1F, 0.11F, 0.7F, 0.07F}, {0, 1, 0.1F, 0.5F, 1, 0.1F}, {0.2F, 0.9F, 0.3F, 1, 2, 0.6F}};

ShardArrays arrays_at(float* values, std::int64_t size) {
  return {.parameters = values,
          .gradients = values + size,
          .state = {values + 2 * size, values + 3 * size},
          .direction = values + 4 * size,
          .ema = values + 5 * size,
          .swa = values + 6 * size};
}

const char* name_of(UpdateRule rule) {
  constexpr const char* names[] = {"sgd",  "adam", "adamw",  "rmsprop",   "lars",       "lamb_direction",
                                   "lamb", "lion", "sophia", "curvature", "statistics", "clip",
                                   "mean", "none"};
  return names[static_cast<int>(rule)];
}

void check_updates() {
  const auto pieces = pieces_of(shard_size, static_cast<int>(factors.size()));
  const OnGpu pieces_there(pieces);
  const OnGpu factors_there(factors);
  for (int number = 0; number <= static_cast<int>(UpdateRule::none); ++number) {
    const auto rule = static_cast<UpdateRule>(number);
    for (const bool averaged : {false, true}) {
      for (const bool awkward : {false, true}) {
        auto values = floats(arrays_of_a_shard * shard_size, number, awkward);
        for (auto i = 3 * shard_size; i < 4 * shard_size; ++i) values[i] = std::abs(values[i]);  // moments
        const OnGpu there(values);
        const UpdateJob on_gpu{arrays_at(there.data(), shard_size), numbers(), pieces_there.data(),
                               factors_there.data(), std::ssize(pieces)};
        require(launch_update(rule, averaged, on_gpu), "update");
        update_in_host_memory(rule, averaged,
                              {arrays_at(values.data(), shard_size), numbers(), pieces.data(), factors.data(),
                               std::ssize(pieces)});
        compare(std::string("update ") + name_of(rule) + (averaged ? " averaged" : "") +
                    (awkward ? " awkward" : ""),
                there.get(), values);
      }
    }
  }
}

void check_squares() {
  const auto values = floats(shard_size, 99, true);
  const auto pieces = pieces_of(shard_size, 1);
  const auto count = std::ssize(pieces);
  std::vector<double> lane_sums(pieces.size() * lanes), sums(pieces.size());
  const SquaresJob host{values.data(), pieces.data(), count, lane_sums.data(), sums.data()};
  for (std::int64_t i = 0; i < count * lanes; ++i) lane_thread(host, i);
  for (std::int64_t i = 0; i < count; ++i) fold_thread(host, i);
  const OnGpu values_there(values);
  const OnGpu pieces_there(pieces);
  const OnGpu<double> lanes_there(count * lanes), sums_there(count);
  require(launch_squares(
              {values_there.data(), pieces_there.data(), count, lanes_there.data(), sums_there.data()}),
          "add squares");
  compare("squares", sums_there.get(), sums);
}

/// Launches the kernel as the transports do.
void add_on_gpu(const std::vector<const void*>& partial_sums, GradientFormat stored, GradientFormat format,
                float* sum, float* rest, std::int64_t count) {
  const auto leaves = std::ssize(partial_sums);
  const auto additions = additions_after(leaves, merge_schedule(leaves, static_cast<int>(leaves)));
  TreeSum launch;
  launch.stored = stored;
  launch.format = format;
  launch.rest = leaves > TreeSum::capacity ? rest : nullptr;
  std::int32_t held = 0;
  for (std::size_t next = 0; next < partial_sums.size();) {
    launch.held = held;
    for (launch.size = 0; launch.size < TreeSum::capacity && next < partial_sums.size();
         ++launch.size, ++next) {
      launch.partial_sum[launch.size] = partial_sums[next];
      launch.additions[launch.size] = static_cast<std::uint8_t>(additions[next]);
      held += 1 - additions[next];
    }
    launch.sum = next == partial_sums.size() ? sum : nullptr;
    require(launch_tree_sum(launch, count, cudaStreamLegacy), "add gradients");
  }
}

void check_tree_sums(GradientFormat format, const char* name) {
  constexpr std::int64_t count = 5003;
  for (const int leaves : {1, 2, 3, 8, 37, 256, 300, 600}) {
    std::vector<std::vector<float>> partial_sums;
    std::vector<const float*> host_partial_sums;
    std::vector<OnGpu<float>> floats_there;
    std::vector<OnGpu<std::uint16_t>> codes_there;
    std::vector<const void*> wide, encoded_partial_sums;
    for (int leaf = 0; leaf < leaves; ++leaf) {
      auto values = floats(count, leaf, leaf % 3 == 0);
      for (auto& value : values) value = rounded(value, format);
      partial_sums.push_back(std::move(values));
      floats_there.emplace_back(partial_sums.back());
      wide.push_back(floats_there.back().data());
      if (format == GradientFormat::float32) continue;
      codes_there.emplace_back(count);
      encoded_partial_sums.push_back(codes_there.back().data());
      require(launch_encode(floats_there.back().data(), codes_there.back().data(), format, count,
                            cudaStreamLegacy),
              "encode gradients");
      if (leaf % 64 != 0) continue;
      std::vector<std::uint16_t> codes;
      for (const float value : partial_sums.back()) codes.push_back(encoded(value, format));
      compare(std::string("encode ") + name, codes_there.back().get(), codes);
    }
    for (const auto& partial_sum : partial_sums) host_partial_sums.push_back(partial_sum.data());
    std::vector<float> sum(count);
    add_tree(host_partial_sums, merge_schedule(leaves, leaves), sum.data(), count, format);
    const OnGpu<float> sum_there(count), rest(TreeSum::depth * count);
    const auto what = std::string("tree sum ") + name + " of " + std::to_string(leaves);
    add_on_gpu(wide, GradientFormat::float32, format, sum_there.data(), rest.data(), count);
    compare(what, sum_there.get(), sum);
    if (format == GradientFormat::float32) continue;
    add_on_gpu(encoded_partial_sums, format, format, sum_there.data(), rest.data(), count);
    compare(what + " encoded", sum_there.get(), sum);
  }
}

/// Times the launch; `bytes`: how many one launch reads and writes.
void time(const std::string& what, double bytes, const std::function<void()>& launch) {
  cudaEvent_t begin, end;
  require(cudaEventCreate(&begin), "make an event");
  require(cudaEventCreate(&end), "make an event");
  launch();
  require(cudaEventRecord(begin, cudaStreamLegacy), "record an event");
  for (int i = 0; i < launches_timed; ++i) launch();
  require(cudaEventRecord(end, cudaStreamLegacy), "record an event");
  require(cudaEventSynchronize(end), "compute");
  float ms = 0;
  require(cudaEventElapsedTime(&ms, begin, end), "measure time");
  ms /= launches_timed;
  std::printf(R"({"kernel": "%s", "us": %.2f, "gb_per_s": %.1f})"
              "\n",
              what.c_str(), ms * 1e3, bytes / ms * 1e-6);
  require(cudaEventDestroy(begin), "end an event");
  require(cudaEventDestroy(end), "end an event");
}

void time_tree_sum(int leaves, std::int64_t count) {
  const OnGpu<float> all(count * (leaves + 1));
  std::vector<const void*> partial_sums;
  for (int leaf = 0; leaf < leaves; ++leaf) partial_sums.push_back(all.data() + leaf * count);
  time("tree sum of " + std::to_string(leaves) + " x " + std::to_string(count), 4.0 * count * (leaves + 1),
       [&] {
         add_on_gpu(partial_sums, GradientFormat::float32, GradientFormat::float32,
                    all.data() + leaves * count, nullptr, count);
       });
}

void time_shard(std::int64_t count) {
  const OnGpu<float> values(arrays_of_a_shard * count);
  const auto pieces = pieces_of(count, static_cast<int>(factors.size()));
  const OnGpu pieces_there(pieces);
  const OnGpu factors_there(factors);
  const OnGpu<double> lane_sums(std::ssize(pieces) * lanes), sums(std::ssize(pieces));
  const UpdateJob job{arrays_at(values.data(), count), numbers(), pieces_there.data(), factors_there.data(),
                      std::ssize(pieces)};
  const auto of = " of " + std::to_string(count);
  time("sgd averaged" + of, 28.0 * count,
       [&] { require(launch_update(UpdateRule::sgd, true, job), "update"); });
  time("adamw" + of, 28.0 * count, [&] { require(launch_update(UpdateRule::adamw, false, job), "update"); });
  time("squares" + of, 4.0 * count, [&] {
    require(launch_squares(
                {values.data(), pieces_there.data(), std::ssize(pieces), lane_sums.data(), sums.data()}),
            "add squares");
  });
}

}  // namespace
}  // namespace lockstep

int main(int argc, char**) {
  using namespace lockstep;
  require(cudaSetDevice(0), "start");
  require(load_kernels(), "load its code");
  check_updates();
  check_squares();
  check_tree_sums(GradientFormat::float32, "float32");
  check_tree_sums(GradientFormat::bf16, "bf16");
  check_tree_sums(GradientFormat::fp16, "fp16");
  if (argc == 1) {
    for (const auto& [leaves, count] :
         {std::pair{2, 25'600'000L}, {8, 3'200'000L}, {64, 400'000L}, {256, 50'048L}})
      time_tree_sum(leaves, count);
    for (const std::int64_t count : {50'000L, 3'200'000L, 25'600'000L}) time_shard(count);
  }
  std::fflush(stdout);
  return differences == 0 ? 0 : 1;
}
