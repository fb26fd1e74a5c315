#include "worker/ranks/out_of_memory.hpp"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <iostream>
#include <new>

#include "collectives/gpu_fault.hpp"
#include "common/error.hpp"
#include "common/log.hpp"

namespace lockstep {

void leave_out_of_memory(int rank, const std::string& why, const std::string& what_to_lower) {
  const Error refused(ExitCode::out_of_memory,
                      "rank " + std::to_string(rank) + " on " + host_name() + " ran out of memory", why,
                      what_to_lower);
  std::cout.flush();
  std::cerr << std::string("error: ") + refused.what() + "\n" << std::flush;
  _exit(static_cast<int>(refused.exit_code()));
}

std::optional<std::string> why_no_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error)) return error.what();
  const auto* of_torch = dynamic_cast<const c10::Error*>(&error);
  if (!of_torch) return std::nullopt;
  std::string why = of_torch->what_without_backtrace();
  const auto of_cpu = why.find("DefaultCPUAllocator: can't allocate memory");
  if (of_cpu != std::string::npos) why.erase(0, of_cpu);
  const auto first_line = why.substr(0, why.find('\n'));
  const auto says = [&](const char* words) { return first_line.find(words) != std::string::npos; };
  // cuBLAS, and cuDNN of two generations.
  constexpr std::array libraries = {"_STATUS_ALLOC_FAILED", "_ALLOCATION_FAILED"};
  const auto* of_cuda = dynamic_cast<const c10::AcceleratorError*>(&error);
  if (of_cpu != std::string::npos || dynamic_cast<const c10::OutOfMemoryError*>(&error) ||
      (of_cuda && refused_gpu_memory(of_cuda->get_error_code(), "", "")) ||
      std::ranges::any_of(libraries, says))
    return first_line;
  return std::nullopt;
}

}  // namespace lockstep
