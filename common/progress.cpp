#include "common/progress.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "common/printable.hpp"

namespace lockstep {
namespace {

constexpr double redraw_seconds = 0.1;
constexpr int usual_columns = 80;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

int terminal_columns() {
  if (const auto given = environment("LOCKSTEP_COLUMNS"); !given.empty()) return std::atoi(given.c_str());
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return usual_columns;
  return size.ws_col;
}

/// Whether the output of this process ends on a terminal. Open MPI gives ranks a pseudo-terminal whatever
/// mpirun itself writes to, so a rank inspects mpirun, its parent.
bool ends_on_a_terminal() {
  if (environment("OMPI_COMM_WORLD_SIZE").empty()) return isatty(STDOUT_FILENO);
  const auto path = "/proc/" + std::to_string(getppid()) + "/fd/1";
  const int file = open(path.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
  const bool terminal = file >= 0 && isatty(file);
  if (file >= 0) close(file);
  return terminal;
}

std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "--:--";
  const auto whole = static_cast<long>(seconds + 0.5);
  char text[32];
  if (whole < 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return text;
}

}  // namespace

Progress::Progress() {
  const auto mode = environment("LOCKSTEP_PROGRESS");
  for_people_ = mode == "bar" || (mode.empty() && ends_on_a_terminal());
  colours_ = for_people_ && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  columns_ = std::max(20, for_people_ ? terminal_columns() : usual_columns);
}

void Progress::clear() {
  if (!bar_drawn_) return;
  std::cout << "\r" << std::string(columns_ - 1, ' ') << "\r";
  bar_drawn_ = false;
}

void Progress::say(const std::string& text) {
  if (!for_people_) return;
  clear();
  std::cout << printable(text) << std::endl;
}

void Progress::emit(const std::string& event, nlohmann::ordered_json fields) {
  if (for_people_) return;
  nlohmann::ordered_json line = {{"event", event}};
  line.update(fields);
  std::cout << line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << std::endl;
}

void Progress::draw(std::string line, bool force) {
  if (!for_people_ || (!force && seconds_since(last_drawn_) < redraw_seconds)) return;
  last_drawn_ = Clock::now();
  line = line.substr(0, columns_ - 1);
  std::cout << "\r" << line << std::string(columns_ - 1 - line.size(), ' ') << std::flush;
  bar_drawn_ = true;
}

void Progress::update(const Standing& standing, bool force) {
  char left[64], right[96];
  std::snprintf(left, sizeof left, "epoch %ld/%ld  step %ld/%ld ", standing.epoch, standing.epochs,
                standing.step, standing.last_step);
  std::snprintf(right, sizeof right, " %.0f images/s  ETA %s  loss %.3f", standing.images_per_second,
                duration(standing.seconds_left).c_str(), standing.loss);
  std::string line = left;
  const int room = columns_ - 1 - static_cast<int>(line.size() + std::string(right).size()) - 2;
  if (room >= 8) {
    const auto width = std::min(room, 40);
    const auto filled =
        static_cast<int>(width * standing.step / std::max<std::int64_t>(standing.last_step, 1));
    line.append("[").append(filled, '#').append(width - filled, '.').append("]");
  }
  draw(line + right, force);
}

void Progress::say_with_highlight(const std::string& before, const std::string& highlighted,
                                  const std::string& after) {
  if (!for_people_) return;
  clear();
  std::cout << printable(before) << (colours_ ? "\033[1;32m" : "") << printable(highlighted)
            << (colours_ ? "\033[0m" : "") << printable(after) << std::endl;
}

}  // namespace lockstep
