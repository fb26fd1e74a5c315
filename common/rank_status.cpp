#include "common/rank_status.hpp"

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/small_file.hpp"
#include "common/stored_json.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr std::size_t least_bytes = 1024;  // of a status, so that each overwrites the one before
constexpr std::int64_t most_bytes = 1 << 20;
constexpr int peer_lost = 3, by_signal = 128;
constexpr std::array ending_signals = {SIGTERM, SIGINT, SIGHUP, SIGUSR1,
                                       SIGUSR2};  // those that a rank handles

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(GpuHealth, told, lost, reset_required, temperature_celsius,
                                                power_watts, sm_clock_mhz, memory_used_bytes, memory_bytes,
                                                throttling, corrected_errors, uncorrected_errors,
                                                lifetime_uncorrected_errors, repair_pending, repair_failed,
                                                xids, hottest_celsius, throttled_seconds, driver)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RankGpu, index, uuid, address, host_gpus, shown, health)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE_WITH_DEFAULT(RankStatus, rank, host, pid, beat, written, state, exit_code,
                                                signal, asked, out_of_memory, step, phase, phase_seconds,
                                                usual_seconds, awaits, on_disk, ready, cores, idle_seconds,
                                                step_ms, usual_step_ms, compute_ms, gpu, gpu_failure,
                                                gpu_remedy, gpu_in_doubt)

bool RankStatus::failed() const {
  if (state != State::ended || asked) return false;
  return (signal != 0 && signal != SIGPIPE) ||
         (exit_code != 0 && exit_code != peer_lost && exit_code < by_signal);
}

bool RankStatus::left_in_order() const {
  return state == State::ended && signal == 0 &&
         std::ranges::count(ending_signals, exit_code - by_signal) > 0;
}

bool RankStatus::lost_its_starter() const {
  if (state != State::ended || asked) return false;
  return signal == SIGPIPE || (signal == 0 && exit_code > by_signal && !left_in_order());
}

std::string status_folder(const std::string& run) { return run + "/status"; }

std::string to_text(const RankStatus& status) {
  auto text = json(status).dump(-1, ' ', false, json::error_handler_t::replace);
  text.resize(std::max(text.size(), least_bytes - 1), ' ');
  return text + "\n";
}

std::optional<RankStatus> rank_status_from_text(const std::string& text) {
  auto object = stored_json(text.substr(0, text.find('\n')));
  if (!has_types_of(object, RankStatus{})) return std::nullopt;
  make_printable(object);
  try {
    return object.get<RankStatus>();
  } catch (const json::exception&) {  // of elements of lists
    return std::nullopt;
  }
}

std::string to_text(const RankGpu& gpu) {
  return json(gpu).dump(-1, ' ', false, json::error_handler_t::replace);
}

RankGpu rank_gpu_from_text(const std::string& text) {
  const auto object = stored_json(text);
  try {
    return has_types_of(object, RankGpu{}) ? object.get<RankGpu>() : RankGpu{};
  } catch (const json::exception&) {  // of elements of lists
    return {};
  }
}

std::vector<RankStatus> read_rank_statuses(const std::string& run) {
  std::vector<RankStatus> statuses;
  std::error_code failure;
  using Items = std::filesystem::directory_iterator;
  for (Items item(status_folder(run), failure); !failure && item != Items(); item.increment(failure)) {
    if (!item->path().filename().string().starts_with("rank-")) continue;
    try {
      if (auto status = rank_status_from_text(read_file_once(item->path(), most_bytes)))
        statuses.push_back(std::move(*status));
    } catch (const Error&) {  // it is written again within a second
    }
  }
  std::ranges::sort(statuses, {}, &RankStatus::rank);
  return statuses;
}

}  // namespace lockstep
