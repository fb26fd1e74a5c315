#include "worker/gradient_sum.hpp"

#include "collectives/reduce_scatter.hpp"

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

GradientSum::GradientSum(HostMemory& host, const Compute& compute, const Workload& workload,
                         LeafDelivery& leaf)
    : compute_(compute), leaves_(workload.micro_batches) {
  const auto& layout = workload.layout;
  const auto leaves = leaves_;
  const auto format = format_named(workload.config.distributed.gradient_format);
  const int rank = host.transport().rank(), world_size = host.transport().world_size();
  own_ = rank_range(leaves, rank, world_size);
  shards_ = layout.shards(world_size);
  sum_ = at::zeros({shards_[rank].size()}, compute.device);
  if (compute.between_gpus) {
    if (format.tensor != at::kFloat) {
      throw Error(
          ExitCode::config,
          "distributed.gradient_format = \"" + workload.config.distributed.gradient_format + "\" is for CPUs",
          "gradients go over NCCL as float32", "set it to \"float32\"");
    }
    tree_ = std::make_unique<GradientTree>(layout, leaves, own_, compute.device);
  } else {
    reduction_ = std::make_unique<HostReduction>(
        host, leaves, shards_, layout.size(), reduce_scatter_bucket,
        Rounding{format.message, format.tensor == at::kFloat ? 0 : end_of_parameters(layout)});
    std::vector<at::Tensor> buffers;
    for (float* buffer : reduction_->buffers()) buffers.push_back(at::from_blob(buffer, {layout.size()}));
    tree_ = std::make_unique<GradientTree>(layout, leaves, std::move(buffers), format.tensor);
  }
  leaf.deliver_to([this](std::size_t entry, const at::Tensor& value) {
    tree_->add(entry, value);
    if (reduction_ && last_leaf_) reduction_->publish(tree_->final_from());
  });
}

void GradientSum::start() {
  tree_->restart();
  if (reduction_) reduction_->start(sum_.data_ptr<float>());
}

void GradientSum::begin_leaf(std::int64_t leaf) {
  last_leaf_ = leaf + 1 == own_.end;
  tree_->begin_leaf(leaf);
}

void GradientSum::end_leaf() {
  tree_->end_leaf();
  // So that a slow GPU shows as computing, and not as a wait for ranks that have long been there.
  if (last_leaf_ && compute_.between_gpus) compute_.between_gpus->finish_computing();
}

at::Tensor GradientSum::finish() {
  if (reduction_) {
    reduction_->finish();
  } else {
    reduce_scatter(*compute_.between_gpus, leaves_, tree_->pieces(), shards_, sum_.data_ptr<float>());
  }
  return sum_;
}

}  // namespace lockstep
