// Answers GET /metrics. Not a library, because none at hand both tolerates idle connections and bounds how
// many of the process's descriptors they take: civetweb gives each a thread, libevent accepts them all.
#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <thread>

#include "common/clock.hpp"

namespace lockstep {

/// One thread, which polls all connections: no client waits for another. At most 32 are open, each for at
/// most 10 s; beyond 32, the oldest is closed for the newest.
class MetricsServer {
 public:
  /// Listens on `address` and `port`. Clients must send "Authorization: Bearer TOKEN" with `token`; empty:
  /// nothing. The server's thread calls `text` for each answer. Throws std::system_error if it cannot listen.
  MetricsServer(const std::string& address, std::int64_t port, std::string token,
                std::function<std::string()> text);
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

 private:
  struct Connection {
    int socket;
    Clock::time_point end;  ///< it is closed then in any case
    std::string request = {}, answer = {};
    std::size_t written = 0;
    bool answered = false;  ///< further input is dropped until the client closes
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
  int listening_ = -1, end_ = -1;  ///< `end_` becomes readable when the server is to end
  std::list<Connection> connections_;
  std::thread thread_;
};

}  // namespace lockstep
