#include "worker/step/gradient_sum.hpp"

#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

struct Format {
  at::ScalarType tensor;
  GradientFormat message;
};

Format format_named(const std::string& name) {
  if (name == "bf16") return {at::kBFloat16, GradientFormat::bf16};
  if (name == "fp16") return {at::kHalf, GradientFormat::fp16};
  return {at::kFloat, GradientFormat::float32};
}

/// Where the parameters end in the flat buffer; they come first.
std::int64_t end_of_parameters(const Layout& layout) {
  std::int64_t end = 0;
  for (const auto& entry : layout.entries()) {
    if (entry.is_parameter()) end = entry.offset + entry.count;
  }
  return end;
}

}  // namespace

GradientSum::GradientSum(Job& job, const Workload& workload)
    : compute_(job.compute), own_(rank_range(workload.micro_batches, job.rank(), job.world_size())) {
  const auto& compute = job.compute;
  const auto& layout = workload.layout;
  const auto leaves = workload.micro_batches;
  const auto shards = layout.shards(job.world_size());
  const auto format = format_named(workload.config.distributed.gradient_format);
  const auto own_elements = shards[job.rank()].size();
  if (compute.between_gpus) {
    on_all_ranks(job.mpi, [&] {  // one GPU may have less memory left than the others
      sum_ = at::zeros({own_elements}, compute.device);
      tree_ = std::make_unique<GradientTree>(layout, leaves, own_, compute.device, format.tensor);
    });
  } else {
    sum_ = at::zeros({own_elements});
  }
  Rounding rounding;
  if (format.tensor != at::kFloat) rounding = {format.message, end_of_parameters(layout)};
  reduction_ =
      make_reduction(job.memory, compute.between_gpus.get(), {leaves, shards, layout.size(), rounding});
  if (!tree_) {
    std::vector<at::Tensor> buffers;
    for (float* buffer : reduction_->buffers()) buffers.push_back(at::from_blob(buffer, {layout.size()}));
    tree_ = std::make_unique<GradientTree>(layout, leaves, std::move(buffers), format.tensor);
  }
}

void GradientSum::start() {
  tree_->restart();
  reduction_->start(sum_.data_ptr<float>());
}

void GradientSum::begin_leaf(std::int64_t leaf) {
  last_leaf_ = leaf + 1 == own_.end;
  tree_->begin_leaf(leaf);
}

void GradientSum::add(std::size_t entry, const at::Tensor& value) {
  tree_->add(entry, value);
  if (last_leaf_) reduction_->publish(tree_->final_from());
}

void GradientSum::end_leaf() {
  tree_->end_leaf();
  if (last_leaf_) send();
}

/// The GPU still computes what it was given; messages and sums wait there for what they need of it.
void GradientSum::send() {
  reduction_->send(tree_->partial_sums());
  // So that a slow GPU shows as computing, and not as a wait for ranks that have long been there.
  if (compute_.between_gpus) compute_.between_gpus->finish_computing();
}

at::Tensor GradientSum::finish() {
  if (own_.size() == 0) send();
  reduction_->finish();
  return sum_;
}

}  // namespace lockstep
