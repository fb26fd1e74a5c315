#include "worker/watch/gpu_report.hpp"

#include <cmath>

#include "common/rank_status.hpp"

namespace lockstep {

nlohmann::ordered_json gpus_of(const std::string& run) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& status : read_rank_statuses(run)) {
    const auto& gpu = status.gpu;
    const auto& health = gpu.health;
    if (!gpu.exists() || status.state == RankStatus::State::ended) continue;  // of an earlier start
    list.push_back(
        {{"rank", status.rank}, {"host", status.host}, {"uuid", gpu.uuid}, {"address", gpu.address}});
    if (!health.told) continue;
    list.back().update({{"driver", health.driver},
                        {"hottest_celsius", health.hottest_celsius},
                        {"throttled_seconds", health.throttled_seconds},
                        {"uncorrected_errors", health.uncorrected_errors},
                        {"xids", health.xids}});
  }
  return list;
}

std::string trouble_of_gpu(const nlohmann::json& gpu) {
  std::string text;
  const auto seconds = std::lround(gpu.value("throttled_seconds", 0.0));
  if (seconds > 0)
    text += " throttled for " + std::to_string(seconds) + " s, at up to " +
            std::to_string(std::lround(gpu.value("hottest_celsius", 0.0))) + " C";
  if (const auto errors = gpu.value("uncorrected_errors", 0LL); errors > 0)
    text += (text.empty() ? " has " : ", and has ") + std::to_string(errors) + " uncorrectable ECC errors";
  if (text.empty()) return "";
  return "the GPU of rank " + std::to_string(gpu.value("rank", 0)) + " on " +
         gpu.value("host", std::string("?")) + text;
}

}  // namespace lockstep
