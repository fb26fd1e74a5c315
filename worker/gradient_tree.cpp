#include "worker/gradient_tree.hpp"

namespace lockstep {

GradientTree::GradientTree(const Layout& layout, std::int64_t leaves, at::Device device)
    : layout_(layout), leaves_(leaves), device_(device), walk_(leaves) {}

void GradientTree::restart() {
  walk_ = TreeWalk(leaves_);
  for (auto& buffer : buffers_) buffer.used = false;
}

std::int32_t GradientTree::free_buffer() {
  for (std::size_t i = 0; i < buffers_.size(); ++i) {
    if (!buffers_[i].used) return static_cast<std::int32_t>(i);
  }
  auto& buffer = buffers_.emplace_back();
  buffer.flat = at::zeros({layout_.size()}, device_);
  for (const auto& entry : layout_.entries()) buffer.views.push_back(layout_.view(buffer.flat, entry));
  return static_cast<std::int32_t>(buffers_.size() - 1);
}

void GradientTree::add_leaf(std::int64_t leaf, const std::vector<at::Tensor>& values) {
  const auto slot = free_buffer();
  const auto merges = walk_.push({0, leaf}, slot);
  // A leaf whose left neighbour waits is added to it straight from the autograd engine's tensors: no buffer
  // is written only to be read again.
  const bool direct = !merges.empty();
  auto& target = buffers_[direct ? merges.front().left : slot];
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto& view = target.views[i];
    if (direct && values[i].defined()) view.add_(values[i]);
    if (direct && !values[i].defined())
      view.add_(0);  // makes -0 into +0, as adding a stored leaf of zeros does
    if (!direct && values[i].defined()) view.copy_(values[i]);
    if (!direct && !values[i].defined()) view.zero_();
  }
  target.used = true;
  for (std::size_t i = 1; i < merges.size(); ++i) {
    buffers_[merges[i].left].flat.add_(buffers_[merges[i].right].flat);
    buffers_[merges[i].right].used = false;
  }
}

std::vector<float*> GradientTree::pieces() const {
  std::vector<float*> pieces;
  for (const auto& held : walk_.held()) pieces.push_back(buffers_[held.slot].flat.data_ptr<float>());
  return pieces;
}

}  // namespace lockstep
