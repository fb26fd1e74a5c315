#include "worker/watch/gpu_watch.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <mutex>
#include <thread>

#include "common/clock.hpp"
#include "common/nvml.hpp"
#include "worker/watch/rank_progress.hpp"

namespace lockstep {
namespace {

constexpr auto between_readings = std::chrono::milliseconds(1000);

/// Signals must reach the sentinel's main thread, whose wait they end.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
}

/// `now` with the Xids, the highest temperature and the throttled time of `before`, which is `seconds` older.
GpuHealth continued(GpuHealth now, const GpuHealth& before, double seconds) {
  now.xids = before.xids;
  now.hottest_celsius = std::max(before.hottest_celsius, now.temperature_celsius);
  now.throttled_seconds = before.throttled_seconds + (slowed_by(now).empty() ? 0 : seconds);
  return now;
}

}  // namespace

struct GpuWatch::Shared {
  std::mutex mutex;
  GpuHealth health;

  void watch(const std::string& address) {
    const Nvml nvml;
    auto gpu = nvml.gpu_at(address);
    if (!gpu) return;
    auto last = Clock::now();
    for (;;) {
      auto now = gpu->health();
      const auto seconds = seconds_since(std::exchange(last, Clock::now()));
      {
        const std::lock_guard lock(mutex);
        health = continued(std::move(now), health, seconds);
      }
      const auto xids = gpu->wait_for_xids(between_readings);
      const std::lock_guard lock(mutex);
      for (const auto xid : xids) {
        if (std::ranges::find(health.xids, xid) == health.xids.end()) health.xids.push_back(xid);
      }
    }
  }
};

RankGpu GpuWatch::look() {
  if (!shared_) {
    gpu_ = stamped_gpu();
    if (!gpu_.exists()) return gpu_;
    shared_ = std::make_shared<Shared>();
    std::thread([shared = shared_, address = gpu_.address] {
      block_signals();
      shared->watch(address);
    }).detach();
  }
  const std::lock_guard lock(shared_->mutex);
  gpu_.health = shared_->health;
  return gpu_;
}

}  // namespace lockstep
