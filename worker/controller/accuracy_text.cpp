#include "worker/controller/accuracy_text.hpp"

#include <cstdio>

namespace lockstep {

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f %%", 100 * share);
  return text;
}

std::string in_words(const Accuracy& accuracy) {
  return percent(accuracy.raw.accuracy()) +
         (accuracy.ema ? ", EMA " + percent(accuracy.ema->accuracy()) : "") +
         (accuracy.swa ? ", SWA " + percent(accuracy.swa->accuracy()) : "");
}

void add_accuracy(nlohmann::ordered_json& fields, const Accuracy& accuracy) {
  fields["test_accuracy"] = accuracy.raw.accuracy();
  fields["test_loss"] = accuracy.raw.loss;
  if (accuracy.ema) {
    fields["ema_test_accuracy"] = accuracy.ema->accuracy();
    fields["ema_test_loss"] = accuracy.ema->loss;
  }
  if (accuracy.swa) {
    fields["swa_test_accuracy"] = accuracy.swa->accuracy();
    fields["swa_test_loss"] = accuracy.swa->loss;
  }
}

}  // namespace lockstep
