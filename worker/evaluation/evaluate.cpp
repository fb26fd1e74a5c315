#include "worker/evaluation/evaluate.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "collectives/all_gather.hpp"
#include "worker/models/model.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

struct ChunkResult {
  std::int64_t correct;
  double loss_sum;
};

ChunkResult evaluate_chunk(const Transport& transport, Model& model, const MicroBatchMaker& maker,
                           std::int64_t begin, std::int64_t end, const Precision& precision) {
  std::vector<std::int64_t> samples(end - begin);
  std::iota(samples.begin(), samples.end(), begin);
  const auto batch = say_error_of_this_rank(transport, [&] { return maker.plain(samples); });
  const auto logits = precision.forward(model, batch.images);
  const auto loss = at::cross_entropy_loss(logits, batch.labels, {}, at::Reduction::Sum);
  return {logits.argmax(1).eq(batch.labels).sum().item<std::int64_t>(), loss.item<double>()};
}

}  // namespace

bool is_guessing(const Evaluation& evaluation, std::span<const std::int64_t> labels, std::int64_t classes) {
  constexpr std::int64_t fewest = 100;  // below it luck looks like learning
  if (evaluation.samples < fewest || classes < 2) return false;
  std::vector<std::int64_t> count(static_cast<std::size_t>(classes));
  for (const auto label : labels) ++count[static_cast<std::size_t>(label)];
  const auto n = static_cast<double>(evaluation.samples), share = 1 / static_cast<double>(classes);
  const auto by_chance = n * share + 2 * std::sqrt(n * share * (1 - share));
  return evaluation.correct <= std::ranges::max(count) ||
         static_cast<double>(evaluation.correct) <= by_chance;
}

Evaluation evaluate(Transport& transport, Model& model, const MicroBatchMaker& maker, std::int64_t samples,
                    std::int64_t chunk_size, const Precision& precision) {
  torch::NoGradGuard no_grad;
  model.eval();
  const auto chunks = (samples + chunk_size - 1) / chunk_size;
  const auto range = rank_range(chunks, transport.rank(), transport.world_size());
  std::vector<ChunkResult> own;
  for (auto chunk = range.begin; chunk < range.end && asked_to_end() == 0; ++chunk) {
    own.push_back(evaluate_chunk(transport, model, maker, chunk * chunk_size,
                                 std::min(samples, (chunk + 1) * chunk_size), precision));
  }
  model.train();
  leave_if_asked(transport);
  Evaluation total{samples, 0, 0};
  for (const auto& part : gather_bytes(transport, std::as_bytes(std::span(own)))) {
    for (std::size_t at = 0; at < part.size(); at += sizeof(ChunkResult)) {
      ChunkResult chunk;
      std::memcpy(&chunk, part.data() + at, sizeof chunk);
      total.correct += chunk.correct;
      total.loss += chunk.loss_sum;
    }
  }
  total.loss /= static_cast<double>(samples);
  return total;
}

}  // namespace lockstep
