#include <arpa/inet.h>

#include "configs/rule_functions.hpp"
#include "configs/text.hpp"

namespace lockstep {

namespace {

bool has_residual_blocks(const Config& config) { return !is_one_of(config.model.name, {"mlp", "small_cnn"}); }

}  // namespace

Broken mlp_has_hidden_layer(const Config& config) {
  if (config.model.name != "mlp" || !config.model.hidden_sizes.empty()) return std::nullopt;
  return Problem{"model.hidden_sizes = [] leaves the mlp without a hidden layer", "it needs one at least",
                 "write for example hidden_sizes = [256]"};
}

Broken paths_can_be_dropped(const Config& config) {
  return unless(config.model.drop_path == 0 || has_residual_blocks(config),
                {"model.drop_path has no effect on model.name = " + quoted(config.model.name),
                 "it has no residual blocks to skip", "set drop_path = 0"});
}

Broken gammas_are_there(const Config& config) {
  return unless(!config.model.zero_init_residual || config.model.name.find("resnet") != std::string::npos,
                {"model.zero_init_residual has no effect on model.name = " + quoted(config.model.name),
                 "its residual blocks do not end in a batch norm", "set zero_init_residual = false"});
}

Broken patches_are_cut(const Config& config) {
  return unless(!config.model.patch_size || is_one_of(config.model.name, {"vit_tiny", "convnext_tiny"}),
                {"model.patch_size has no effect on model.name = " + quoted(config.model.name),
                 "it does not cut images into patches", "leave it out"});
}

Broken mean_and_std_match(const Config& config) {
  const auto means = std::ssize(config.data.mean), deviations = std::ssize(config.data.std);
  if (means == deviations) return std::nullopt;
  return Problem{"data.mean and data.std differ in length",
                 number(means) + " and " + number(deviations) + " numbers, auto counting as none",
                 "give one number per channel in both, or \"auto\" in both"};
}

Broken one_random_policy(const Config& config) {
  return unless(!config.augmentation.rand_augment || !config.augmentation.trivial_augment,
                {"augmentation.rand_augment and trivial_augment are both on", "each replaces the other",
                 "turn one off"});
}

Broken one_crop(const Config& config) {
  return unless(!config.augmentation.random_resized_crop || config.augmentation.crop_padding == 0,
                {"augmentation.random_resized_crop and crop_padding are both on", "an image is cropped once",
                 "turn random_resized_crop off or set crop_padding = 0"});
}

Broken address_is_one(const Config& config) {
  const auto& address = config.run.prometheus_address;
  in6_addr parsed;  // large enough for IPv4 and IPv6
  return unless(config.run.prometheus_port == 0 || inet_pton(AF_INET, address.c_str(), &parsed) == 1 ||
                    inet_pton(AF_INET6, address.c_str(), &parsed) == 1,
                {"run.prometheus_address = " + quoted(address) + " is not an address",
                 "addresses are IPv4 or IPv6, without a port",
                 "write \"127.0.0.1\" for this host alone, or \"0.0.0.0\" for all its addresses"});
}

}  // namespace lockstep
