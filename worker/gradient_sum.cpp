#include "worker/gradient_sum.hpp"

#include "collectives/reduce_scatter.hpp"
#include "worker/agreement.hpp"

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
    : compute_(compute) {
  const auto& layout = workload.layout;
  const auto leaves = workload.micro_batches;
  const auto format = format_named(workload.config.distributed.gradient_format);
  const Rounding rounding{format.message, format.tensor == at::kFloat ? 0 : end_of_parameters(layout)};
  const int rank = host.transport().rank(), world_size = host.transport().world_size();
  own_ = rank_range(leaves, rank, world_size);
  const auto shards = layout.shards(world_size);
  if (compute.between_gpus) {
#ifdef LOCKSTEP_WITH_NCCL
    on_all_ranks(host.transport(), [&] {  // one GPU may have less memory left than the others
      sum_ = at::zeros({shards[rank].size()}, compute.device);
      tree_ = std::make_unique<GradientTree>(layout, leaves, own_, compute.device, format.tensor);
      between_gpus_ =
          std::make_unique<NcclReduction>(dynamic_cast<NcclTransport&>(*compute.between_gpus), leaves, shards,
                                          layout.size(), sum_.data_ptr<float>(), rounding);
    });
    between_gpus_->connect();
#endif
  } else {
    sum_ = at::zeros({shards[rank].size()});
    between_hosts_ =
        std::make_unique<HostReduction>(host, leaves, shards, layout.size(), reduce_scatter_bucket, rounding);
    std::vector<at::Tensor> buffers;
    for (float* buffer : between_hosts_->buffers()) buffers.push_back(at::from_blob(buffer, {layout.size()}));
    tree_ = std::make_unique<GradientTree>(layout, leaves, std::move(buffers), format.tensor);
  }
  leaf.deliver_to([this](std::size_t entry, const at::Tensor& value) {
    tree_->add(entry, value);
    if (last_leaf_) publish(tree_->final_from());
  });
}

void GradientSum::start() {
  tree_->restart();
  if (between_hosts_) between_hosts_->start(sum_.data_ptr<float>());
}

void GradientSum::begin_leaf(std::int64_t leaf) {
  last_leaf_ = leaf + 1 == own_.end;
  tree_->begin_leaf(leaf);
}

void GradientSum::publish(std::int64_t from) {
  if (between_hosts_) between_hosts_->publish(from);
#ifdef LOCKSTEP_WITH_NCCL
  if (between_gpus_) between_gpus_->publish(from);
#endif
}

void GradientSum::end_leaf() {
  tree_->end_leaf();
  if (last_leaf_) send();
}

/// The GPU still computes what it was given; messages and sums wait there for what they need of it.
void GradientSum::send() {
#ifdef LOCKSTEP_WITH_NCCL
  if (!between_gpus_) return;
  between_gpus_->send(tree_->pieces());
  // So that a slow GPU shows as computing, and not as a wait for ranks that have long been there.
  compute_.between_gpus->finish_computing();
#endif
}

at::Tensor GradientSum::finish() {
  if (between_hosts_) between_hosts_->finish();
#ifdef LOCKSTEP_WITH_NCCL
  if (own_.size() == 0) send();
  if (between_gpus_) between_gpus_->finish();
#endif
  return sum_;
}

}  // namespace lockstep
