#include "launcher/relay.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <iostream>
#include <utility>

#include "common/error.hpp"

namespace lockstep {

Relay::Relay(int to, bool by_lines, bool hold_back) : to_(to), by_lines_(by_lines), words_(hold_back) {
  ending_ = eventfd(0, EFD_CLOEXEC);
  if (ending_ < 0 || pipe2(pipe_, O_CLOEXEC) != 0) throw file_error("cannot make", "a pipe", errno);
}

Relay::~Relay() {
  finish();
  for (const int file : {pipe_[0], pipe_[1], ending_}) {
    if (file >= 0) close(file);
  }
}

void Relay::start() {
  close(std::exchange(pipe_[1], -1));
  thread_ = std::thread([this] { hand_on(); });
}

void Relay::finish() {
  if (!thread_.joinable()) return;
  eventfd_write(ending_, 1);
  thread_.join();
}

void Relay::hand_on() {
  pollfd ends[2] = {{pipe_[0], POLLIN, 0}, {ending_, POLLIN, 0}};
  char part[1 << 16];
  for (;;) {
    if (poll(ends, 2, -1) < 0) {
      if (errno == EINTR) continue;
      break;
    }
    if (ends[0].revents == 0) break;  // nothing is left, and finish() was called
    const auto size = read(pipe_[0], part, sizeof part);
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) break;
    const std::string_view text(part, static_cast<std::size_t>(size));
    const auto shown = by_lines_ ? words_.pass(text) : std::string(text);
    ranks_were_there_ = words_.ranks_were_there();  // before show() can block on the reader
    show(shown);
  }
  show(words_.rest());
}

void Relay::show(const std::string& text) {
  for (std::size_t begin = 0; begin < text.size();) {
    const auto size = write(to_, text.data() + begin, text.size() - begin);
    if (size > 0) {
      begin += static_cast<std::size_t>(size);
    } else if (errno == EAGAIN) {  // another process has made the descriptor non-blocking
      pollfd end{to_, POLLOUT, 0};
      poll(&end, 1, -1);
    } else {
      const auto why = std::strerror(errno);
      if (!std::exchange(lost_, true) && to_ == STDOUT_FILENO)
        std::cerr << "lockstep: nothing can be written to standard output any more (" << why
                  << "); the run goes on without\n";
      return;
    }
  }
}

}  // namespace lockstep
