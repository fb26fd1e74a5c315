#include "worker/step/gradient_tree.hpp"

namespace lockstep {
namespace {

std::vector<at::Tensor> buffers_on(at::Device device, std::int64_t elements, std::int32_t count) {
  std::vector<at::Tensor> buffers;
  for (std::int32_t i = 0; i < count; ++i) buffers.push_back(at::zeros({elements}, device));
  return buffers;
}

}  // namespace

GradientTree::GradientTree(const Layout& layout, std::int64_t leaves, std::vector<at::Tensor> buffers,
                           at::ScalarType format)
    : layout_(layout), leaves_(leaves), format_(format), walk_(leaves), added_(layout.entries().size()) {
  for (auto& flat : buffers) {
    Buffer buffer{flat, {}, {}};
    for (const auto& entry : layout.entries()) {
      buffer.views.push_back(layout.view(flat, entry));
      buffer.parts.push_back(flat.narrow(0, entry.offset, entry.count));
    }
    buffers_.push_back(std::move(buffer));
  }
}

GradientTree::GradientTree(const Layout& layout, std::int64_t leaves, Range range, at::Device device,
                           at::ScalarType format)
    : GradientTree(layout, leaves, buffers_on(device, layout.size(), walk_over(leaves, range).slots()),
                   format) {}

void GradientTree::restart() { walk_ = LeafWalk(leaves_); }

void GradientTree::begin_leaf(std::int64_t leaf) {
  step_ = walk_.push(leaf);
  added_.assign(added_.size(), false);
  first_final_ = added_.size();
}

at::Tensor GradientTree::rounded(std::size_t entry, const at::Tensor& value) const {
  if (format_ == at::kFloat || !value.defined() || !layout_.entries()[entry].is_parameter()) return value;
  return value.to(format_).to(at::kFloat);
}

void GradientTree::add(std::size_t entry, const at::Tensor& full) {
  const auto value = rounded(entry, full);
  const auto round = [&](at::Tensor& sum) {
    if (format_ != at::kFloat) sum.copy_(rounded(entry, sum));
  };
  auto& view = buffers_[step_.slot].views[entry];
  // A leaf whose left neighbour waits is added to it straight from the autograd engine's tensor: no buffer is
  // written only to be read again.
  if (step_.adds && value.defined()) view.add_(value);
  if (step_.adds && !value.defined())
    view.add_(0);  // makes -0 into +0, as adding a stored leaf of zeros does
  if (!step_.adds && value.defined()) view.copy_(value);
  if (!step_.adds && !value.defined()) view.zero_();
  if (step_.adds) round(view);
  for (const auto& merge : step_.merges) {
    auto& sum = buffers_[merge.left].parts[entry];
    sum.add_(buffers_[merge.right].parts[entry]);
    round(sum);
  }
  added_[entry] = true;
  while (first_final_ > 0 && added_[first_final_ - 1]) --first_final_;
}

void GradientTree::end_leaf() {
  for (std::size_t entry = 0; entry < added_.size(); ++entry) {
    if (!added_[entry]) add(entry, {});
  }
}

std::int64_t GradientTree::final_from() const {
  return first_final_ == added_.size() ? layout_.size() : layout_.entries()[first_final_].offset;
}

std::vector<float*> GradientTree::partial_sums() const {
  std::vector<float*> partial_sums;
  for (const auto& held : walk_.held()) partial_sums.push_back(buffers_[held.slot].flat.data_ptr<float>());
  return partial_sums;
}

}  // namespace lockstep
