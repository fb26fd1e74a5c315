#include "worker/step/gradient_sum.hpp"

#include "collectives/reduce_scatter.hpp"
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

GradientSum::GradientSum(HostMemory& host, const Compute& compute, const Workload& workload,
                         LeafDelivery& leaf)
    : compute_(compute),
      leaves_(workload.micro_batches),
      own_(rank_range(leaves_, host.transport().rank(), host.transport().world_size())),
      shards_(workload.layout.shards(host.transport().world_size())) {
  const auto& layout = workload.layout;
  const auto format = format_named(workload.config.distributed.gradient_format);
  if (format.tensor != at::kFloat) rounding_ = {format.message, end_of_parameters(layout)};
  const auto own_elements = shards_[host.transport().rank()].size();
  if (compute.between_gpus) {
    on_all_ranks(host.transport(), [&] {  // one GPU may have less memory left than the others
      sum_ = at::zeros({own_elements}, compute.device);
      tree_ = std::make_unique<GradientTree>(layout, leaves_, own_, compute.device, format.tensor);
#ifdef LOCKSTEP_WITH_NCCL
      if (auto* nccl = dynamic_cast<NcclTransport*>(compute.between_gpus.get()))
        over_nccl_ = std::make_unique<NcclReduction>(*nccl, leaves_, shards_, layout.size(),
                                                     sum_.data_ptr<float>(), rounding_);
#endif
    });
#ifdef LOCKSTEP_WITH_NCCL
    if (over_nccl_) over_nccl_->connect();
#endif
  } else {
    sum_ = at::zeros({own_elements});
    between_hosts_ = std::make_unique<HostReduction>(host, leaves_, shards_, layout.size(),
                                                     reduce_scatter_bucket, rounding_);
    std::vector<at::Tensor> buffers;
    for (float* buffer : between_hosts_->buffers()) buffers.push_back(at::from_blob(buffer, {layout.size()}));
    tree_ = std::make_unique<GradientTree>(layout, leaves_, std::move(buffers), format.tensor);
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
  if (over_nccl_) over_nccl_->publish(from);
#endif
}

void GradientSum::end_leaf() {
  tree_->end_leaf();
  if (last_leaf_) send();
}

/// The GPU still computes what it was given; messages and sums wait there for what they need of it.
void GradientSum::send() {
#ifdef LOCKSTEP_WITH_NCCL
  if (over_nccl_) over_nccl_->send(tree_->partial_sums());
#endif
  // So that a slow GPU shows as computing, and not as a wait for ranks that have long been there.
  if (compute_.between_gpus) compute_.between_gpus->finish_computing();
}

at::Tensor GradientSum::finish() {
  if (between_hosts_) {
    between_hosts_->finish();
    return sum_;
  }
  if (own_.size() == 0) send();
#ifdef LOCKSTEP_WITH_NCCL
  if (over_nccl_) {
    over_nccl_->finish();
    return sum_;
  }
#endif
  reduce_scatter(*compute_.between_gpus, leaves_, tree_->partial_sums(), shards_, sum_.data_ptr<float>(),
                 rounding_);
  return sum_;
}

}  // namespace lockstep
