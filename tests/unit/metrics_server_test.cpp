// The server that Prometheus reads, and clients that send nothing, send too much, or never read.
#include "worker/controller/metrics_server.hpp"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <utility>
#include <vector>

namespace lockstep {
namespace {

constexpr const char* loopback = "127.0.0.1";
constexpr const char* get = "GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n";

sockaddr_in place(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  inet_pton(AF_INET, loopback, &address.sin_addr);
  return address;
}

std::uint16_t free_port() {
  const int file = socket(AF_INET, SOCK_STREAM, 0);
  auto address = place(0);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(file, reinterpret_cast<sockaddr*>(&address), size), 0);
  getsockname(file, reinterpret_cast<sockaddr*>(&address), &size);
  close(file);
  return ntohs(address.sin_port);
}

/// A client's connection, which waits at most 5 s for an answer.
class Reader {
 public:
  explicit Reader(std::uint16_t port) : file_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval patience{.tv_sec = 5, .tv_usec = 0};
    setsockopt(file_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    const auto address = place(port);
    connected_ = connect(file_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  }
  ~Reader() { close(file_); }
  Reader(Reader&& other) noexcept : file_(std::exchange(other.file_, -1)), connected_(other.connected_) {}

  bool connected() const { return connected_; }
  void say(const std::string& text) { send(file_, text.data(), text.size(), MSG_NOSIGNAL); }
  /// Reads until the server closes; returns what arrived in time.
  std::string answer() {
    std::string text;
    char bytes[4096];
    for (ssize_t got; (got = recv(file_, bytes, sizeof bytes, 0)) > 0;)
      text.append(bytes, static_cast<std::size_t>(got));
    return text;
  }

 private:
  int file_;
  bool connected_ = false;
};

std::string answer(std::uint16_t port, const std::string& request = get) {
  Reader reader(port);
  reader.say(request);
  return reader.answer();
}

std::string head_of(const std::string& text) { return text.substr(0, text.find("\r\n")); }

std::ptrdiff_t open_files() {
  return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
}

class Metrics : public testing::Test {
 protected:
  std::unique_ptr<MetricsServer> serve(const std::string& token = "", std::size_t bytes = 3) {
    port = free_port();
    return std::make_unique<MetricsServer>(loopback, port, token,
                                           [bytes] { return std::string(bytes, 'x'); });
  }

  std::uint16_t port = 0;
};

TEST_F(Metrics, AreAnsweredWithTypeAndLength) {
  const auto server = serve();
  EXPECT_EQ(
      answer(port),
      "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: 3\r\n"
      "Connection: close\r\n\r\nxxx");
  EXPECT_EQ(head_of(answer(port, "GET /metrics?a=b HTTP/1.0\r\n\r\n")), "HTTP/1.1 200 OK");
  Reader slowly(port);
  for (const char* part : {"GET /met", "rics HTTP/1.1\r\n", "Host: here\r\n", "\r\n"}) slowly.say(part);
  EXPECT_EQ(head_of(slowly.answer()), "HTTP/1.1 200 OK");
}

TEST_F(Metrics, AreAllThatIsThere) {
  const auto server = serve();
  EXPECT_EQ(head_of(answer(port, "GET / HTTP/1.1\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(head_of(answer(port, "GET /metrics/../etc/passwd HTTP/1.1\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(head_of(answer(port, "POST /metrics HTTP/1.1\r\n\r\n")), "HTTP/1.1 405 Method Not Allowed");
  EXPECT_EQ(head_of(answer(port, "\x16\x03\x01\r\n\r\n")), "HTTP/1.1 400 Bad Request") << "TLS";
  EXPECT_EQ(head_of(answer(port, "\r\n\r\n")), "HTTP/1.1 400 Bad Request");
}

TEST_F(Metrics, AreForThoseWhoSendTheToken) {
  const auto server = serve("s3cret");
  const auto with = [&](const std::string& field) {
    return head_of(answer(port, "GET /metrics HTTP/1.1\r\n" + field + "\r\n\r\n"));
  };
  EXPECT_EQ(with("Authorization: Bearer s3cret"), "HTTP/1.1 200 OK");
  EXPECT_EQ(with("authorization:bearer s3cret "), "HTTP/1.1 200 OK");
  for (const char* field :
       {"Host: here", "Authorization: Bearer s3cre", "Authorization: Bearer s3cretx", "Authorization: s3cret",
        "Authorization:", "Authorization: Basic czNjcmV0", "X: Authorization: Bearer s3cret"})
    EXPECT_EQ(with(field), "HTTP/1.1 401 Unauthorized") << field;
}

TEST_F(Metrics, DoNotWaitForConnectionsThatSayNothing) {
  const auto server = serve();
  std::vector<Reader> idle;
  for (int i = 0; i < 16; ++i) idle.emplace_back(port);
  idle[3].say("GET /metr");
  EXPECT_EQ(head_of(answer(port)), "HTTP/1.1 200 OK");
  idle[3].say("ics HTTP/1.1\r\n\r\n");
  EXPECT_EQ(head_of(idle[3].answer()), "HTTP/1.1 200 OK") << "nor does anybody lose his";
}

TEST_F(Metrics, DoNotTakeTheDescriptorsOfTheRun) {
  const auto server = serve();
  const auto before = open_files();
  std::vector<Reader> idle;
  for (int i = 0; i < 300; ++i) {
    idle.emplace_back(port);
    ASSERT_TRUE(idle.back().connected());
  }
  EXPECT_EQ(head_of(answer(port)), "HTTP/1.1 200 OK");
  EXPECT_LE(open_files() - before, 300 + 32);
  EXPECT_EQ(idle.front().answer(), "") << "the oldest has given way";
}

TEST_F(Metrics, DoNotWaitForOneWhoNeverReadsHis) {
  const auto server = serve("", 64 << 20);  // more than the system buffers for this client
  Reader lazy(port);
  lazy.say(get);
  EXPECT_EQ(head_of(answer(port, "GET / HTTP/1.1\r\n\r\n")), "HTTP/1.1 404 Not Found");
  EXPECT_EQ(answer(port).size(), lazy.answer().size()) << "and he may still read it";
}

TEST_F(Metrics, DoNotReadOnAndOn) {
  const auto server = serve();
  EXPECT_EQ(head_of(answer(port, "GET /metrics HTTP/1.1\r\nX: " + std::string(1 << 20, 'x'))),
            "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST_F(Metrics, AreServedAtNoOtherPlace) {
  const auto server = serve();
  EXPECT_THROW(MetricsServer("0.0.0.0", port, "", [] { return ""; }), std::system_error) << "taken";
  EXPECT_THROW(MetricsServer("localhost", port, "", [] { return ""; }), std::system_error);
  EXPECT_THROW(MetricsServer("192.0.2.1", port, "", [] { return ""; }), std::system_error)
      << "of another host";
}

}  // namespace
}  // namespace lockstep
