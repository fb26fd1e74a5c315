// Accuracies as people and files get them.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "worker/state/accuracy.hpp"

namespace lockstep {

/// 0.5 is "50.00 %".
std::string percent(double share);
/// "91.20 %, EMA 91.50 %"
std::string in_words(const Accuracy& accuracy);
/// Adds test_accuracy, test_loss and those of the averages.
void add_accuracy(nlohmann::ordered_json& fields, const Accuracy& accuracy);

}  // namespace lockstep
