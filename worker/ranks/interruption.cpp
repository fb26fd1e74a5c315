#include "worker/ranks/interruption.hpp"

#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstring>

namespace lockstep {
namespace {

constexpr std::array ending_signals = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
constexpr time_t patience_seconds = 1;

volatile std::sig_atomic_t ending_signal = 0, in_order_only = 0;
std::array<std::atomic<const char*>, 64> at_work{};  // what threads are doing
std::array<char, PATH_MAX> unfinished{};

/// Builds and writes a line by async-signal-safe calls alone.
class Line {
 public:
  void add(const char* text) {
    for (; *text && size_ + 1 < text_.size(); ++text)
      text_[size_++] = static_cast<unsigned char>(*text) < ' ' || *text == '\x7f' ? '?' : *text;
  }
  void add(int number) {
    if (number >= 10) add(number / 10);
    const char digit[] = {static_cast<char>('0' + number % 10), '\0'};
    add(digit);
  }
  void write_out() {
    text_[size_++] = '\n';
    if (write(STDERR_FILENO, text_.data(), size_) < 0) return;
  }

 private:
  std::array<char, 4096> text_;
  std::size_t size_ = 0;
};

void start_timer(time_t seconds) {
  const itimerval time{{}, {seconds, 0}};
  setitimer(ITIMER_REAL, &time, nullptr);
}

void note_signal(int number) {
  const bool first = ending_signal == 0;
  ending_signal = number;
  if (first && !in_order_only) start_timer(patience_seconds);
}

void leave_at_once(int) {
  if (in_order_only) return;
  Line line;
  line.add("warning: stopped by signal ");
  line.add(ending_signal);
  line.add(" before there was anything to save");
  for (const auto& what : at_work) {
    const char* text = what;
    if (!text || !*text) continue;
    line.add(", while at ");
    line.add(text);
    break;
  }
  line.write_out();
  _exit(128 + ending_signal);
}

void take_unfinished_along(int number) {
  if (unfinished[0]) unlink(unfinished.data());
  _exit(128 + number);
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigaction(number, &action, nullptr);
}

}  // namespace

void catch_ending_signals() {
  handle(SIGALRM, leave_at_once);
  for (const int number : ending_signals) handle(number, note_signal);
}

void leave_in_order_only() {
  in_order_only = 1;
  start_timer(0);
}

void end_when_asked() {
  for (const int number : ending_signals) handle(number, take_unfinished_along);
}

/// Blocks the signals while the name changes.
void note_unfinished(const std::string& path) {
  sigset_t set, before;
  sigemptyset(&set);
  for (const int number : ending_signals) sigaddset(&set, number);
  pthread_sigmask(SIG_BLOCK, &set, &before);
  unfinished[path.copy(unfinished.data(), unfinished.size() - 1)] = '\0';
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

int asked_to_end() { return ending_signal; }

void ask_to_end(int signal) {
  if (signal != 0 && ending_signal == 0) ending_signal = signal;
}

void stop_if_asked() {
  if (ending_signal != 0) throw Interrupted{ending_signal};
}

BusyWith::BusyWith(const char* what) : place_(0) {
  for (; place_ < at_work.size(); ++place_) {
    const char* nothing = nullptr;
    if (at_work[place_].compare_exchange_strong(nothing, what)) return;
  }
}

BusyWith::~BusyWith() {
  if (place_ < at_work.size()) at_work[place_] = nullptr;
}

}  // namespace lockstep
