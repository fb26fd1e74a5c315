// Counts calls and kernels, and injects failures.
#include <cxxabi.h>
#include <pthread.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string_view>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

struct Count {
  long long times = 0;
  double bytes = 0;
};
using Counts = std::map<std::string, Count>;

/// LibTorch names the thread that runs the backward pass: pt_autograd_0.
std::string name_of_thread() {
  char name[16] = "";
  pthread_getname_np(pthread_self(), name, sizeof name);
  return name;
}

/// The failure that GHOST_FAIL="FUNCTION:N:ERROR" asks for.
struct Failing {
  std::string function;
  long long at = 0;
  int error = 0;
};

/// The rank that a launcher gave this process; 0 if there was no launcher.
int rank_of_process() {
  for (const char* name : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
    if (std::getenv(name) != nullptr) return static_cast<int>(number_from(name, 0));
  }
  return 0;
}

Failing failing_asked_for() {
  const char* const text = std::getenv("GHOST_FAIL");
  const bool here = number_from("GHOST_FAIL_RANK", rank_of_process()) == rank_of_process();
  if (text == nullptr || !here) return {};
  std::istringstream words(text);
  Failing failing;
  char colon = 0;
  std::getline(words, failing.function, ':');
  words >> failing.at >> colon >> failing.error;
  return failing;
}

/// All counts, written to GHOST_COUNTS.PROCESS.json when the process ends.
struct Record {
  Counts calls, kernels, calls_before_update, kernels_before_update;
  std::map<std::string, Counts> threads, threads_before_update;  ///< calls and kernels by the thread's name
  nlohmann::json steps = nlohmann::json::array();  ///< what came between the updates of two steps
  const Failing failing = failing_asked_for();
  long long seen = 0;
  cudaError_t failed = cudaSuccess;
  bool step_is_open = false;

  static nlohmann::json difference(const Counts& now, const Counts& before, bool kernels) {
    auto all = nlohmann::json::object();
    for (const auto& [name, count] : now) {
      const auto found = before.find(name);
      const auto earlier = found == before.end() ? Count() : found->second;
      if (count.times == earlier.times) continue;
      auto& entry = all[kernels ? demangled(name) : name];
      if (entry.is_null()) entry = {{"times", 0}, {"bytes", 0.0}};
      entry["times"] = entry["times"].get<long long>() + count.times - earlier.times;
      entry["bytes"] = entry["bytes"].get<double>() + count.bytes - earlier.bytes;
    }
    return all;
  }

  /// A step of the training loop lasts from the first update after other work to the next such update.
  void note_update(bool is_update) {
    if (is_update && !step_is_open) {
      auto by_thread = nlohmann::json::object();
      for (const auto& [thread, counts] : threads)
        by_thread[thread] = difference(counts, threads_before_update[thread], true);
      steps.push_back({{"calls", difference(calls, calls_before_update, false)},
                       {"kernels", difference(kernels, kernels_before_update, true)},
                       {"threads", by_thread}});
      calls_before_update = calls;
      kernels_before_update = kernels;
      threads_before_update = threads;
    }
    step_is_open = is_update;
  }

  ~Record() {
    const char* const prefix = std::getenv("GHOST_COUNTS");
    if (prefix == nullptr) return;
    std::ofstream file(std::string(prefix) + "." + std::to_string(getpid()) + ".json");
    file << nlohmann::json{{"calls", difference(calls, {}, false)},
                           {"kernels", difference(kernels, {}, true)},
                           {"steps", steps}};
  }
};

Record& record() {
  static Record record;
  return record;
}

}  // namespace

std::recursive_mutex& lock() {
  static std::recursive_mutex mutex;
  return mutex;
}

std::string demangled(const std::string& name) {
  int status = 0;
  char* const text = abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status);
  std::string words = text != nullptr ? text : name;
  std::free(text);
  return words;
}

long long number_from(const char* variable, long long otherwise) {
  const char* const text = std::getenv(variable);
  return text != nullptr ? std::atoll(text) : otherwise;
}

cudaError_t begin_call(const char* function) {
  const std::lock_guard guard(lock());
  auto& all = record();
  ++all.calls[function].times;
  ++all.threads[name_of_thread()][function].times;
  if (all.failed == cudaSuccess && all.failing.function == function && ++all.seen >= all.failing.at)
    all.failed = static_cast<cudaError_t>(all.failing.error);
  return all.failed;
}

cudaError_t failure() { return record().failed; }

void count(const std::string& what, double bytes) {
  const std::lock_guard guard(lock());
  for (auto* counts : {&record().calls, &record().threads[name_of_thread()]}) {
    auto& entry = (*counts)[what];
    ++entry.times;
    entry.bytes += bytes;
  }
}

void count_kernel(const std::string& name) {
  const std::lock_guard guard(lock());
  ++record().kernels[name].times;
  ++record().threads[name_of_thread()][name].times;
  record().note_update(name.find("13update_kernel") != std::string::npos);
}

}  // namespace lockstep::ghost

/// Called by the stubs, which are in C.
extern "C" void ghost_count(const char* what) { lockstep::ghost::count(what); }
