#include "worker/interruption.hpp"

#include <algorithm>
#include <array>
#include <csignal>

#include "worker/block_sums.hpp"

namespace lockstep {
namespace {

volatile std::sig_atomic_t ending_signal = 0;

}  // namespace

void catch_ending_signals() {
  struct sigaction action {};
  action.sa_handler = [](int number) { ending_signal = number; };
  action.sa_flags = SA_RESTART;
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2}) sigaction(number, &action, nullptr);
}

int asked_to_end() { return ending_signal; }

void ask_to_end(int signal) {
  if (signal != 0 && ending_signal == 0) ending_signal = signal;
}

void leave_if_asked(Transport& transport) {
  const auto signals = gather_numbers(transport, std::array{static_cast<double>(asked_to_end())});
  const auto signal = static_cast<int>(*std::ranges::max_element(signals));
  if (signal != 0) throw Interrupted{signal};
}

}  // namespace lockstep
