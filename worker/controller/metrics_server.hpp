// Answers GET /metrics. None of the libraries at hand both passes over connections that say nothing and
// bounds how many of the process's descriptors they take: civetweb gives each a thread, libevent takes them
// all.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "common/clock.hpp"

namespace lockstep {

/// One thread, which waits for all connections at once: no reader waits for another. At most 32 are open, the
/// oldest giving way to the newest, each for 10 s at most.
class MetricsServer {
 public:
  /// Where to listen, and what readers must send ("Authorization: Bearer TOKEN"; empty: nothing). `text` is
  /// called by the server's thread for each answer. Throws std::system_error where it cannot listen.
  MetricsServer(const std::string& address, std::int64_t port, std::string token,
                std::function<std::string()> text);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

 private:
  struct Connection {
    int socket;
    Clock::time_point end;  ///< it is closed then, whatever it does
    std::string request = {}, answer = {};
    std::size_t written = 0;
    bool answered = false;  ///< what it still sends is thrown away until it closes
  };

  void serve();
  void accept_one();
  /// False once the connection is to be closed.
  bool go_on(Connection& connection, short ready);
  bool read_from(Connection& connection);
  bool write_to(Connection& connection);
  std::string answer_to(const std::string& request) const;

  std::string token_;
  std::function<std::string()> text_;
  int listening_ = -1, end_ = -1;  ///< the latter becomes readable when the server is to end
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace lockstep
