#include "configs/features.hpp"

#include <algorithm>
#include <sstream>

#include "configs/names.hpp"
#include "configs/text.hpp"

namespace lockstep {
namespace {

Problem unknown_feature(const std::string& name) {
  const std::string nearest = nearest_name(name, feature_names());
  return {"unknown feature " + quoted(shortened(name)), "the features are " + joined(feature_names()),
          nearest.empty() ? "choose some of them" : "did you mean " + nearest + "?"};
}

/// The features; a value without a text of its own is switched off by the default of the table.
std::vector<Feature> features_of_table() {
  std::vector<Feature> list = {
      {"dropout", {{"model.dropout"}}},
      {"drop_path", {{"model.drop_path"}}},
      {"zero_init_residual", {{"model.zero_init_residual"}}},
      {"clipping", {{"training.gradient_clip_norm"}, {"training.gradient_clip_value"}}},
      {"early_stopping", {{"training.early_stopping"}}},
      {"weight_decay", {{"optimizer.weight_decay", "0.0"}}},
      {"nesterov", {{"optimizer.nesterov", "false"}}},
      {"layer_decay", {{"optimizer.layer_decay"}}},
      {"warmup", {{"schedule.warmup_steps"}, {"schedule.warmup_ratio"}, {"schedule.warmup_epochs"}}},
      {"label_smoothing", {{"loss.label_smoothing"}}},
      {"class_weights", {{"loss.class_weights"}, {"loss.class_weight_values"}}},
      {"ema", {{"averaging.model_ema"}}},
      {"swa", {{"averaging.use_swa"}}},
      {"augmentation", {{"augmentation.enabled", "false"}}},
      {"crop", {{"augmentation.crop_padding"}}},
      {"flip", {{"augmentation.flip_probability"}}},
      {"random_resized_crop", {{"augmentation.random_resized_crop"}}},
      {"colour_jitter",
       {{"augmentation.brightness"},
        {"augmentation.contrast"},
        {"augmentation.saturation"},
        {"augmentation.hue"}}},
      {"rand_augment", {{"augmentation.rand_augment"}}},
      {"trivial_augment", {{"augmentation.trivial_augment"}}},
      {"random_erasing", {{"augmentation.random_erasing"}}},
      {"mixup", {{"augmentation.mixup_alpha"}}},
      {"cutmix", {{"augmentation.cutmix_prob"}}},
      {"repeated_augmentation", {{"augmentation.repeated_augmentation"}}},
      {"mixed_precision", {{"precision.mixed_precision", "\"none\""}, {"precision.loss_scale"}}},
      {"distillation", {{"distillation.teacher"}}},
      {"quantization", {{"quantization.quantization_aware"}}},
  };
  for (auto& [name, off] : list) {
    for (Override& value : off) {
      const Parameter& row = *parameters_named(value.key).front();
      if (value.value.empty()) value.value = toml_text(row.default_value, row.bounds.empty_is_auto);
      value.origin = "--without " + name;
    }
  }
  return list;
}

}  // namespace

const std::vector<Feature>& features() {
  static const std::vector<Feature> list = features_of_table();
  return list;
}

std::vector<std::string> feature_names() {
  std::vector<std::string> names;
  for (const Feature& feature : features()) names.push_back(feature.name);
  return names;
}

std::vector<Override> switched_off(const std::vector<std::string>& lists) {
  std::vector<Override> off;
  std::vector<std::string> problems;
  for (const std::string& list : lists) {
    std::istringstream names(list + ",");
    for (std::string name; std::getline(names, name, ',');) {
      const auto found = std::ranges::find(features(), name, &Feature::name);
      if (found == features().end()) {
        problems.push_back(on_one_line("--without " + shortened(list) + ": " + unknown_feature(name).text()));
      } else {
        off.insert(off.end(), found->off.begin(), found->off.end());
      }
    }
  }
  if (!problems.empty()) throw ConfigError(problems);
  return off;
}

}  // namespace lockstep
