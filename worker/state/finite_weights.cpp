#include "worker/state/finite_weights.hpp"

#include "worker/models/finite.hpp"

namespace lockstep {

std::string trouble_in_blocks(const Layout& layout, std::span<const Block> blocks, const float* values,
                              std::int64_t begin) {
  for (const auto& block : blocks) {
    if (block.kind == Kind::metric) continue;
    const auto& entry = layout.entries()[block.entry];
    auto found =
        trouble_in(entry.name, {values + (block.offset - begin), static_cast<std::size_t>(block.count)},
                   block.offset - entry.offset);
    if (!found.empty()) return found;
  }
  return "";
}

std::string trouble_in_weights(const Layout& layout, const at::Tensor& flat) {
  const auto values = flat.to(at::kCPU);
  return trouble_in_blocks(layout, layout.blocks(), values.data_ptr<float>(), 0);
}

}  // namespace lockstep
