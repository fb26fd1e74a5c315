#include "worker/controller/metrics_server.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <system_error>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

constexpr std::size_t most_connections = 32, longest_request = 8192;
constexpr auto longest_connection = std::chrono::seconds(10);  // Prometheus's own scrape_timeout
constexpr auto pause_without_descriptors = std::chrono::milliseconds(100);

std::system_error failure() { return {errno, std::generic_category()}; }

int listen_at(const std::string& address, std::int64_t port) {
  sockaddr_in6 six{};
  sockaddr_in four{};
  six.sin6_family = AF_INET6, four.sin_family = AF_INET;
  six.sin6_port = four.sin_port = htons(static_cast<std::uint16_t>(port));
  const bool is_four = inet_pton(AF_INET, address.c_str(), &four.sin_addr) == 1;
  if (!is_four && inet_pton(AF_INET6, address.c_str(), &six.sin6_addr) != 1)
    throw std::system_error(EINVAL, std::generic_category());
  const int listening = socket(is_four ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (listening < 0) throw failure();
  const int on = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* const place =
      is_four ? reinterpret_cast<const sockaddr*>(&four) : reinterpret_cast<const sockaddr*>(&six);
  if (bind(listening, place, is_four ? sizeof four : sizeof six) != 0 || listen(listening, SOMAXCONN) != 0) {
    const auto why = failure();
    close(listening);
    throw why;
  }
  return listening;
}

std::string small(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// In constant time, which does not reveal where they differ.
bool same_secret(const std::string& a, const std::string& b) {
  unsigned char difference = a.size() != b.size();
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    difference |= static_cast<unsigned char>(a[i] ^ b[i]);
  return difference == 0;
}

/// The value of the header field `name`, given in lower case, of a request; "" without one.
std::string field_of(const std::string& request, const std::string& name) {
  std::istringstream lines(request);
  for (std::string line; std::getline(lines, line);) {
    const auto colon = line.find(':');
    if (colon == std::string::npos || small(line.substr(0, colon)) != name) continue;
    const auto begin = line.find_first_not_of(" \t", colon + 1);
    const auto end = line.find_last_not_of(" \t\r");
    return begin == std::string::npos || end < begin ? "" : line.substr(begin, end - begin + 1);
  }
  return "";
}

std::string answer_of(const std::string& status, const std::string& body,
                      const std::string& type = "text/plain; charset=utf-8", const std::string& more = "") {
  return "HTTP/1.1 " + status + "\r\nContent-Type: " + type +
         "\r\nContent-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n" + more + "\r\n" +
         body;
}

bool would_block() { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

MetricsServer::MetricsServer(const std::string& address, std::int64_t port, std::string token,
                             std::function<std::string()> text)
    : token_(std::move(token)), text_(std::move(text)), listening_(listen_at(address, port)) {
  end_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (end_ < 0) {
    const auto why = failure();
    close(listening_);
    throw why;
  }
  sigset_t all, before;  // signals go to the threads that existed before
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  thread_ = std::thread([this] { serve(); });
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

MetricsServer::~MetricsServer() {
  eventfd_write(end_, 1);
  thread_.join();
  for (const auto& connection : connections_) close(connection.socket);
  close(listening_);
  close(end_);
}

void MetricsServer::serve() {
  for (;;) {
    std::vector<pollfd> waits = {{end_, POLLIN, 0}, {listening_, POLLIN, 0}};
    auto first_end = Clock::time_point::max();
    for (const auto& connection : connections_) {
      const bool writes = connection.written < connection.answer.size();
      waits.push_back({connection.socket, static_cast<short>(writes ? POLLOUT : POLLIN), 0});
      first_end = std::min(first_end, connection.end);
    }
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(first_end - Clock::now()).count();
    poll(waits.data(), waits.size(),
         connections_.empty() ? -1 : static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
    if (waits[0].revents != 0) return;
    auto wait = waits.begin() + 2;
    for (auto one = connections_.begin(); one != connections_.end(); ++wait) {
      const bool stays = Clock::now() < one->end && (wait->revents == 0 || go_on(*one, wait->revents));
      if (!stays) close(one->socket);
      one = stays ? std::next(one) : connections_.erase(one);
    }
    if (waits[1].revents != 0) accept_one();
  }
}

void MetricsServer::accept_one() {
  const int socket = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {  // no descriptor may be left: the run needs the next one more
    if (errno == EMFILE || errno == ENFILE) {
      pollfd end = {end_, POLLIN, 0};
      poll(&end, 1, static_cast<int>(pause_without_descriptors.count()));
    }
    return;
  }
  if (connections_.size() == most_connections) {
    close(connections_.front().socket);
    connections_.pop_front();
  }
  connections_.push_back({.socket = socket, .end = Clock::now() + longest_connection});
}

bool MetricsServer::go_on(Connection& connection, short ready) {
  if ((ready & (POLLERR | POLLNVAL)) != 0) return false;
  return connection.written < connection.answer.size() ? write_to(connection) : read_from(connection);
}

bool MetricsServer::read_from(Connection& connection) {
  char bytes[4096];
  const auto got = recv(connection.socket, bytes, sizeof bytes, 0);
  if (got < 0) return would_block();
  if (got == 0) return false;
  if (connection.answered) return true;
  connection.request.append(bytes, static_cast<std::size_t>(got));
  if (connection.request.find("\r\n\r\n") != std::string::npos) {
    connection.answer = answer_to(connection.request);
  } else if (connection.request.size() > longest_request) {
    connection.answer = answer_of("431 Request Header Fields Too Large", "at most 8 KiB\n");
  } else {
    return true;
  }
  connection.answered = true;
  return write_to(connection);
}

bool MetricsServer::write_to(Connection& connection) {
  const auto& answer = connection.answer;
  while (connection.written < answer.size()) {
    const auto put = send(connection.socket, answer.data() + connection.written,
                          answer.size() - connection.written, MSG_NOSIGNAL);
    if (put < 0) return would_block();
    connection.written += static_cast<std::size_t>(put);
  }
  // Closing with unread bytes would send a reset, and the client would lose the answer.
  shutdown(connection.socket, SHUT_WR);
  return true;
}

std::string MetricsServer::answer_to(const std::string& request) const {
  std::istringstream words(request.substr(0, request.find("\r\n")));
  std::string method, target, version;
  words >> method >> target >> version;
  if (!version.starts_with("HTTP/1.")) return answer_of("400 Bad Request", "HTTP/1.1 is spoken here\n");
  if (target.substr(0, target.find('?')) != "/metrics")
    return answer_of("404 Not Found", "the figures are at /metrics\n");
  if (method != "GET")
    return answer_of("405 Method Not Allowed", "the figures are read with GET\n", "text/plain",
                     "Allow: GET\r\n");
  const auto given = field_of(request, "authorization");
  const bool bearer = small(given.substr(0, 7)) == "bearer ";
  if (!token_.empty() && (!bearer || !same_secret(given.substr(7), token_)))
    return answer_of("401 Unauthorized", "a token is needed (run.prometheus_token_file)\n", "text/plain",
                     "WWW-Authenticate: Bearer\r\n");
  return answer_of("200 OK", text_(), "text/plain; version=0.0.4; charset=utf-8");
}

}  // namespace lockstep
