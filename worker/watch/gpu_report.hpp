// How the ranks' GPUs have fared, for the summary of a run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

/// One object per rank with a GPU, from what its sentinel last wrote into the run folder `run`: rank, host,
/// uuid, address and, if NVML answers, driver, hottest_celsius, throttled_seconds, uncorrected_errors and
/// xids.
nlohmann::ordered_json gpus_of(const std::string& run);

/// A line for the user about such a GPU if it throttled or had uncorrectable ECC errors; else empty.
std::string trouble_of_gpu(const nlohmann::json& gpu);

}  // namespace lockstep
