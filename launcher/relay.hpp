// Stands between a program's output and this process's own.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "launcher/mpiruns_words.hpp"

namespace lockstep {

/// A pipe that a program writes to, and a thread that hands on what comes out of it. When nobody reads that
/// any longer (`| head`, a terminal that is gone, a full disk), it is dropped and the program does not
/// notice: mpirun would crash.
class Relay {
 public:
  /// To the file descriptor `to`; `by_lines` parts mpirun's words from those of the ranks, for which lines
  /// are handed on whole. Throws Error (io) when the system gives no pipe.
  Relay(int to, bool by_lines, bool hold_back);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  /// For the program.
  int write_end() const { return pipe_[1]; }
  /// Once the program has it.
  void start();
  /// Hands on what is left, once nothing writes any more; who still holds the other end is not waited for.
  void finish();

  bool ranks_were_there() const { return ranks_were_there_; }
  /// After finish(): MpirunsWords::said().
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
