#include "worker/models/precision.hpp"

#include <ATen/autocast_mode.h>

#include "worker/models/model.hpp"
#include "worker/ranks/compute.hpp"

namespace lockstep {
namespace {

std::optional<at::ScalarType> type_of(const Config& config, at::Device device) {
  const auto& setting = config.precision.mixed_precision;
  if (config.quantization.quantization_aware) return std::nullopt;
  if (setting == "bf16") return at::kBFloat16;
  if (setting == "fp16") return at::kHalf;
  const bool gains = !device.is_cpu() || cpu_has_amx();
  return setting == "auto" && gains ? std::optional(at::kBFloat16) : std::nullopt;
}

/// Enables autocast as long as it lives: the operations of a forward pass then choose their number format.
class Autocast {
 public:
  Autocast(at::DeviceType device, at::ScalarType type)
      : device_(device),
        enabled_(at::autocast::is_autocast_enabled(device)),
        type_(at::autocast::get_autocast_dtype(device)) {
    at::autocast::set_autocast_enabled(device, true);
    at::autocast::set_autocast_dtype(device, type);
    at::autocast::increment_nesting();
  }
  ~Autocast() {
    if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
    at::autocast::set_autocast_enabled(device_, enabled_);
    at::autocast::set_autocast_dtype(device_, type_);
  }
  Autocast(const Autocast&) = delete;
  Autocast& operator=(const Autocast&) = delete;

 private:
  at::DeviceType device_;
  bool enabled_;
  at::ScalarType type_;
};

}  // namespace

Precision::Precision(const Config& config, at::Device device)
    : device_(device), type_(type_of(config, device)) {}

std::string Precision::name() const { return !type_ ? "none" : *type_ == at::kHalf ? "fp16" : "bf16"; }

at::Tensor Precision::forward(Model& model, const at::Tensor& images) const {
  if (!type_) return model.forward(images);
  const Autocast autocast(device_.type(), *type_);
  return model.forward(images).to(at::kFloat);
}

}  // namespace lockstep
