// These wrappers of pthread's functions carry the clocks of threads. What one thread knows of the streams,
// another thread knows once it has locked a mutex that the first unlocked, or has joined the first.
#include <dlfcn.h>
#include <link.h>
#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

template <class Function>
Function original(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

/// Only threads that use the GPU pass on clocks. Before that, and within the detector itself, mutexes are
/// just mutexes.
thread_local bool uses_the_gpu = false;
thread_local bool within = false;
std::atomic<bool> in_use = false;

struct Own {
  int agent = new_agent();
  Clock clock;
};

Own& own() {
  thread_local Own own;
  return own;
}

/// The clock at which a mutex was last unlocked, or a thread began or ended.
class Messages {
 public:
  void leave(const void* at, const Clock& clock) {
    const Guard guard(*this);
    clocks_[at].join(clock);
  }
  void take(const void* at, Clock& clock) {
    const Guard guard(*this);
    const auto found = clocks_.find(at);
    if (found != clocks_.end()) clock.join(found->second);
  }

 private:
  struct Guard {  // no mutex: this runs inside the mutex functions
    explicit Guard(Messages& messages) : messages(messages) {
      while (messages.busy_.test_and_set(std::memory_order_acquire)) {
      }
    }
    ~Guard() { messages.busy_.clear(std::memory_order_release); }
    Messages& messages;
  };
  std::atomic_flag busy_ = ATOMIC_FLAG_INIT;
  std::map<const void*, Clock> clocks_;
};

Messages& messages() {
  static auto* const messages = new Messages;  // outlives every thread
  return *messages;
}

void leave(const void* at) {
  if (!uses_the_gpu || within) return;
  within = true;
  auto& [agent, clock] = own();
  messages().leave(at, clock);
  within = false;
}

void take(const void* at) {
  if (!in_use.load(std::memory_order_relaxed) || within) return;
  within = true;
  messages().take(at, own().clock);
  uses_the_gpu = true;  // from now on it may pass on what it knows
  within = false;
}

/// The address range of jemalloc's code. No program may rely on the order of its mutexes, and allocating
/// while holding one would deadlock.
struct Allocator {
  std::uintptr_t begin = 0, end = 0;

  Allocator() {
    dl_iterate_phdr(
        [](dl_phdr_info* library, std::size_t, void* to) {
          if (std::strstr(library->dlpi_name, "libjemalloc") == nullptr) return 0;
          auto& range = *static_cast<Allocator*>(to);
          range.begin = library->dlpi_addr;
          for (int i = 0; i < library->dlpi_phnum; ++i) {
            const auto& part = library->dlpi_phdr[i];
            range.end = std::max(range.end, library->dlpi_addr + part.p_vaddr + part.p_memsz);
          }
          return 1;
        },
        this);
  }
  bool contains(const void* code) const {
    const auto address = reinterpret_cast<std::uintptr_t>(code);
    return address >= begin && address < end;
  }
};

/// Whether the mutex orders nothing between a program's threads: jemalloc's mutexes, and the ghost's own,
/// which every call locks.
bool orders_nothing(const pthread_mutex_t* mutex, const void* caller) {
  static const Allocator allocator;
  return mutex == lock().native_handle() || allocator.contains(caller);
}

struct Start {
  void* (*function)(void*);
  void* argument;
  std::shared_ptr<int> token = std::make_shared<int>();
};

void* begin_thread(void* data) {
  const std::unique_ptr<Start> start(static_cast<Start*>(data));
  take(start->token.get());
  void* const result = start->function(start->argument);
  leave(reinterpret_cast<void*>(pthread_self()));
  return result;
}

}  // namespace

int new_agent() {
  static std::atomic<int> agents = 0;
  return agents++;
}

int agent_of_thread() {
  clock_of_thread();
  return own().agent;
}

Clock& clock_of_thread() {
  within = true;
  auto& [agent, clock] = own();
  clock.tick(agent);
  uses_the_gpu = true;
  in_use = true;
  within = false;
  return clock;
}

void Clock::join(const Clock& other) {
  if (times.size() < other.times.size()) times.resize(other.times.size());
  for (std::size_t i = 0; i < other.times.size(); ++i) times[i] = std::max(times[i], other.times[i]);
}

void Clock::tick(int agent) {
  if (times.size() <= static_cast<std::size_t>(agent)) times.resize(agent + 1);
  ++times[agent];
}

bool Clock::has_reached(int agent, unsigned long long time) const {
  return static_cast<std::size_t>(agent) < times.size() && times[agent] >= time;
}

}  // namespace lockstep::ghost

using namespace lockstep::ghost;

extern "C" {

int pthread_mutex_lock(pthread_mutex_t* mutex) noexcept {
  static const auto call = original<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
  const int result = call(mutex);
  if (result == 0 && !orders_nothing(mutex, __builtin_return_address(0))) take(mutex);
  return result;
}

int pthread_mutex_trylock(pthread_mutex_t* mutex) noexcept {
  static const auto call = original<int (*)(pthread_mutex_t*)>("pthread_mutex_trylock");
  const int result = call(mutex);
  if (result == 0 && !orders_nothing(mutex, __builtin_return_address(0))) take(mutex);
  return result;
}

int pthread_mutex_unlock(pthread_mutex_t* mutex) noexcept {
  static const auto call = original<int (*)(pthread_mutex_t*)>("pthread_mutex_unlock");
  if (!orders_nothing(mutex, __builtin_return_address(0))) leave(mutex);
  return call(mutex);
}

int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  static const auto call = original<int (*)(pthread_cond_t*, pthread_mutex_t*)>("pthread_cond_wait");
  leave(mutex);
  const int result = call(condition, mutex);
  take(mutex);
  return result;
}

int pthread_cond_timedwait(pthread_cond_t* condition, pthread_mutex_t* mutex, const timespec* until) {
  static const auto call =
      original<int (*)(pthread_cond_t*, pthread_mutex_t*, const timespec*)>("pthread_cond_timedwait");
  leave(mutex);
  const int result = call(condition, mutex, until);
  take(mutex);
  return result;
}

int pthread_cond_clockwait(pthread_cond_t* condition, pthread_mutex_t* mutex, clockid_t clock,
                           const timespec* until) {
  static const auto call = original<int (*)(pthread_cond_t*, pthread_mutex_t*, clockid_t, const timespec*)>(
      "pthread_cond_clockwait");
  leave(mutex);
  const int result = call(condition, mutex, clock, until);
  take(mutex);
  return result;
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*function)(void*),
                   void* argument) noexcept {
  static const auto call =
      original<int (*)(pthread_t*, const pthread_attr_t*, void* (*)(void*), void*)>("pthread_create");
  auto* const start = new Start{function, argument};
  leave(start->token.get());
  const int result = call(thread, attributes, begin_thread, start);
  if (result != 0) delete start;
  return result;
}

int pthread_join(pthread_t thread, void** value) {
  static const auto call = original<int (*)(pthread_t, void**)>("pthread_join");
  const int result = call(thread, value);
  take(reinterpret_cast<void*>(thread));
  return result;
}

}  // extern "C"
