#include "collectives/reduction.hpp"

#include <cassert>
#include <utility>

#include "collectives/host_reduction.hpp"
#include "collectives/reduce_scatter.hpp"

namespace lockstep {
namespace {

/// Over a transport that can do nothing while the GPU computes: everything is summed in finish().
class TransportReduction final : public Reduction {
 public:
  TransportReduction(Transport& transport, ReductionShape shape)
      : transport_(transport), shape_(std::move(shape)) {}

  void start(float* sum) override { sum_ = sum; }
  void publish(std::int64_t) override {}
  void send(std::span<float* const> partial_sums) override {
    partial_sums_.assign(partial_sums.begin(), partial_sums.end());
    sent_ = true;
  }
  void finish() override {
    assert(sent_ && "finish() follows send()");
    sent_ = false;
    reduce_scatter(transport_, shape_.leaves, partial_sums_, shape_.shards, sum_, shape_.rounding);
  }

 private:
  Transport& transport_;
  ReductionShape shape_;
  float* sum_ = nullptr;
  std::vector<float*> partial_sums_;
  bool sent_ = false;
};

}  // namespace

std::unique_ptr<Reduction> Transport::make_reduction(ReductionShape shape) {
  return std::make_unique<TransportReduction>(*this, std::move(shape));
}

std::unique_ptr<Reduction> make_reduction(HostMemory& host, Transport* between_gpus, ReductionShape shape) {
  if (between_gpus) return between_gpus->make_reduction(std::move(shape));
  return std::make_unique<HostReduction>(host, std::move(shape), reduce_scatter_bucket);
}

}  // namespace lockstep
