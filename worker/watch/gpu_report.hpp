// How the ranks' GPUs have fared, for the summary of a run.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lockstep {

/// An object for each rank with a GPU, as the ranks' sentinels have written last into the folder `run`: rank,
/// host, uuid, address, and where NVML tells, driver, hottest_celsius, throttled_seconds, uncorrected_errors
/// and xids.
nlohmann::ordered_json gpus_of(const std::string& run);

/// A line for people about one of these that throttled or had errors; empty for the others.
std::string trouble_of_gpu(const nlohmann::json& gpu);

}  // namespace lockstep
