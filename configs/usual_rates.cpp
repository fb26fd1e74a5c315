#include "configs/usual_rates.hpp"

#include <algorithm>
#include <cstdio>
#include <optional>

#include "configs/derive.hpp"

namespace lockstep {
namespace {

struct Usual {
  const char* optimizer;
  double low, high;  ///< outside of them hardly anything is published
  double common;     ///< to begin with
};

constexpr Usual usual_rates[] = {
    // 0.1 for 256 samples, in proportion for up to 8192: Goyal et al. 2017.
    {"sgd", 0.01, 10, 0.1},
    // 1e-3: Kingma and Ba 2015, Loshchilov and Hutter 2019; 1e-5 to fine-tune: Devlin et al. 2019.
    {"adam", 1e-5, 1e-2, 1e-3},
    {"adamw", 1e-5, 1e-2, 1e-3},
    // 1e-3: Tieleman and Hinton 2012; 0.256 for 4096 samples: Tan and Le 2019.
    {"rmsprop", 1e-5, 0.3, 1e-3},
    // 1 to 30 with a trust coefficient of 0.001: You et al. 2017.
    {"lars", 0.1, 50, 1},
    // 5e-3 for 2048 samples: Wightman et al. 2021; with the root of the batch: You et al. 2019.
    {"lamb", 1e-4, 0.05, 5e-3},
    // A third to a tenth of adamw's: Chen et al. 2023.
    {"lion", 1e-6, 3e-3, 1e-4},
    // As adamw, or somewhat lower: Liu et al. 2023.
    {"sophia", 1e-5, 1e-2, 5e-4},
    // adamw's, for the steps are brought to the size of its own: Liu et al. 2025; 0.02 without: Jordan 2024.
    {"muon", 1e-4, 0.1, 1e-3},
};

/// To fine-tune, a tenth of the usual rate is enough (the row model.pretrained); a tenth of that is not
/// unusual.
constexpr double share_of_fine_tuning = 0.1;

std::string in_words(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3g", number);
  return text;
}

const Usual& usual_for(const Config& config) {
  return *std::ranges::find(usual_rates, config.optimizer.name, &Usual::optimizer);
}

bool is_within(const Usual& usual, const Config& config, double rate) {
  const double low = config.model.pretrained.empty() ? usual.low : usual.low * share_of_fine_tuning;
  return low <= rate && rate <= usual.high;
}

/// What to write instead of `key`, where `scaled` is what lr_scaling makes of 1.
std::string suggestion(const ResolvedConfig& resolved, const std::string& key, double rate, double scaled) {
  const auto& config = resolved.config;
  const Usual& usual = usual_for(config);
  const double common =
      is_within(usual, config, usual.common * scaled) ? usual.common : usual.common / scaled;
  std::string text = "set " + key + " = " + in_words(common);
  const auto fits = [&](const Usual& other) { return other.low <= rate && rate <= other.high; };
  const Usual& adamw = *std::ranges::find(usual_rates, std::string("adamw"), &Usual::optimizer);
  if (!fits(adamw)) return text;
  const bool by_version = resolved.origin.at("optimizer.name").starts_with("default of config_version");
  return text + (by_version ? ", or write config_version = " + std::to_string(kConfigVersion) +
                                  " above the sections: its default is adamw"
                            : ", or optimizer.name = \"adamw\"");
}

}  // namespace

std::vector<std::string> unusual_rates(const ResolvedConfig& resolved) {
  const auto& config = resolved.config;
  const Usual& usual = usual_for(config);
  const double scaled = scaled_learning_rate(config) / config.optimizer.learning_rate;
  struct Rate {
    const char* key;
    std::optional<double> value;
    double scaled;
  };
  std::vector<std::string> warnings;
  for (const auto& [key, value, factor] :
       {Rate{"optimizer.learning_rate", config.optimizer.learning_rate, scaled},
        Rate{"optimizer.head_learning_rate", config.optimizer.head_learning_rate, scaled}}) {
    if (!value || is_within(usual, config, *value * factor)) continue;
    const double rate = *value * factor;
    const auto problem = std::string(key) + " = " + in_words(*value) +
                         (factor == 1 ? "" : ", " + in_words(rate) + " after lr_scaling,") + " is far too " +
                         (rate > usual.high ? "high" : "low") + " for " + usual.optimizer;
    const auto why = "it is usually trained with " + in_words(usual.low) + " to " + in_words(usual.high);
    warnings.push_back(Problem{problem, why, suggestion(resolved, key, rate, factor)}.text());
  }
  return warnings;
}

}  // namespace lockstep
