#include "worker/optim/shard_blocks.hpp"

#include <ATen/ATen.h>

#include "collectives/gpu_fault.hpp"
#include "collectives/transport.hpp"
#include "common/log.hpp"
#include "worker/optim/sum_of_squares.hpp"
#include "worker/optim/update_loops.hpp"

namespace lockstep {
namespace {

/// A copy of `values` on `device`, as bytes.
template <class Value>
at::Tensor bytes_on(at::Device device, const std::vector<Value>& values) {
  const auto bytes = at::empty({static_cast<std::int64_t>(sizeof(Value) * values.size())}, at::kByte);
  std::copy(values.begin(), values.end(), static_cast<Value*>(bytes.data_ptr()));
  return bytes.to(device);
}

void require_start(int cuda_error) {
  if (cuda_error == 0) return;
  const GpuFailure failure(cuda_error, "when it was to update the weights");
  if (failure.fault() != GpuFault::none) throw failure;
  const auto gpu = "the GPU of " + host_name();
  if (const auto refused = refused_gpu_memory(cuda_error, gpu, "update the weights")) throw *refused;
  throw CollectiveError(gpu + " failed to update the weights", failure.why());
}

}  // namespace

ShardBlocks::ShardBlocks(std::vector<Piece> pieces, at::Device device, bool on_gpu)
    : pieces_(std::move(pieces)), device_(device), on_gpu_(on_gpu) {
  if (on_gpu_) there_ = bytes_on(device_, pieces_);
}

void ShardBlocks::update(UpdateRule rule, bool averaged, const ShardArrays& arrays,
                         const StepNumbers& numbers, const std::vector<Factors>& factors) const {
  if (pieces_.empty()) return;
  UpdateJob job{arrays, numbers, pieces_.data(), factors.empty() ? nullptr : factors.data(),
                std::ssize(pieces_)};
  if (!on_gpu_) return update_in_host_memory(rule, averaged, job);
  const auto factors_there = bytes_on(device_, factors);
  job.pieces = static_cast<const Piece*>(there_.data_ptr());
  if (!factors.empty()) job.factors = static_cast<const Factors*>(factors_there.data_ptr());
  require_start(launch_update(rule, averaged, job));
}

std::vector<double> ShardBlocks::sums_of_squares(const at::Tensor& values) const {
  std::vector<double> sums(pieces_.size());
  if (pieces_.empty()) return sums;
  const auto* data = values.data_ptr<float>();
  if (!on_gpu_) {
    for (std::size_t p = 0; p < sums.size(); ++p) {
      sums[p] = sum_of_squares(data + pieces_[p].offset, pieces_[p].count);
    }
    return sums;
  }
  const auto count = std::ssize(pieces_);
  const auto lane_sums = at::empty({count, lanes}, at::TensorOptions(at::kDouble).device(device_));
  const auto sums_there = at::empty({count}, lane_sums.options());
  require_start(launch_squares({data, static_cast<const Piece*>(there_.data_ptr()), count,
                                lane_sums.data_ptr<double>(), sums_there.data_ptr<double>()}));
  const auto sums_here = sums_there.to(at::kCPU);
  std::copy_n(sums_here.data_ptr<double>(), count, sums.begin());
  return sums;
}

}  // namespace lockstep
