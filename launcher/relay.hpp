// Passes the output of a program on to this process's own output.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "launcher/mpiruns_words.hpp"

namespace lockstep {

/// A pipe that a program writes to, and a thread that passes its content on. Once the output can no longer
/// be written (`| head`, a closed terminal, a full disk), the content is discarded without the program
/// noticing: mpirun would crash.
class Relay {
 public:
  /// Writes to the file descriptor `to`; with `by_lines`, passes on whole lines and separates mpirun's own
  /// messages. Throws Error (io) if no pipe can be made.
  Relay(int to, bool by_lines, bool hold_back);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// The end that the program writes to.
  int write_end() const { return pipe_[1]; }
  /// To be called once the program has it.
  void start();
  /// To be called once the program has ended: passes on what is left, without waiting for others that hold
  /// the pipe.
  void finish();

  bool ranks_were_there() const { return ranks_were_there_; }
  /// MpirunsWords::said(), after finish().
  const std::string& said() const { return words_.said(); }

 private:
  void hand_on();
  void show(const std::string& text);

  int to_, pipe_[2] = {-1, -1}, ending_ = -1;
  bool by_lines_, lost_ = false;
  std::atomic<bool> ranks_were_there_ = false;
  MpirunsWords words_;
  std::thread thread_;
};

}  // namespace lockstep
