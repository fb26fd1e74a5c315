#include "worker/models/drop.hpp"

#include <vector>

namespace lockstep {

DropImpl::DropImpl(Purpose purpose, double rate, std::uint64_t layer, const DrawKey& draws)
    : purpose_(purpose), rate_(rate), layer_(layer), draws_(draws) {}

torch::Tensor DropImpl::forward(const torch::Tensor& x) {
  if (is_identity()) return x;
  if (purpose_ == Purpose::dropout) return x * mask(x.sizes()).to(x.device());
  std::vector<std::int64_t> per_sample(x.dim(), 1);
  per_sample[0] = x.size(0);
  return x * mask(per_sample).to(x.device());
}

torch::Tensor DropImpl::mask(at::IntArrayRef shape) const {
  const auto threshold = static_cast<std::uint64_t>(rate_ * 0x1p32);
  const auto kept = static_cast<float>(1 / (1 - rate_));
  RandomStream random(draws_.seed, purpose_, draws_.step, layer_ << 32 | draws_.micro_batch);
  auto mask = torch::empty(shape);
  auto* values = mask.data_ptr<float>();
  for (std::int64_t i = 0; i < mask.numel(); ++i) values[i] = random.next() < threshold ? 0.0F : kept;
  return mask;
}

Drop drop_path(double rate, std::int64_t block, std::int64_t blocks, std::uint64_t layer,
               const DrawKey& draws) {
  const double share = static_cast<double>(block) / static_cast<double>(blocks - 1);
  return Drop(Purpose::drop_path, rate * share, layer, draws);
}

}  // namespace lockstep
