#include "common/log.hpp"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "common/error.hpp"
#include "common/printable.hpp"
#include "common/small_file.hpp"

namespace lockstep {
namespace {

/// The message as a JSON string, in a pattern.
class JsonMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&, spdlog::memory_buf_t& line) override {
    const std::string text(message.payload.data(), message.payload.size());
    const auto quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    line.append(quoted.data(), quoted.data() + quoted.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override { return std::make_unique<JsonMessage>(); }
};

std::unique_ptr<spdlog::formatter> formatter_of(LogFormat format, int rank) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  const std::string time = "%Y-%m-%dT%H:%M:%S.%e%z";
  formatter->add_flag<JsonMessage>('*').set_pattern(
      format == LogFormat::text ? time + " %n %l: %v"
                                : R"({"time":")" + time + R"(","level":"%l","rank":)" + std::to_string(rank) +
                                      R"(,"host":")" + host_name() + R"(","message":%*})");
  return formatter;
}

}  // namespace

std::string host_name() {
  char name[256] = "unknown";
  gethostname(name, sizeof(name) - 1);
  return name;
}

void start_log(int rank, bool to_terminal) {
  auto logger = std::make_shared<spdlog::logger>("rank " + std::to_string(rank) + "@" + host_name());
  if (to_terminal) {
    auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    terminal->set_pattern("%^%l%$: %v");
    terminal->set_level(spdlog::level::warn);
    logger->sinks().push_back(terminal);
  }
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(logger);
}

void log_to_file(const std::string& path, int rank, LogFormat format) {
  if (const auto kind = why_not_regular(path); !kind.empty())
    throw Error(ExitCode::io, "cannot open the log " + path, kind, "remove it");
  try {
    auto file = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    file->set_formatter(formatter_of(format, rank));
    spdlog::default_logger()->sinks().push_back(file);
  } catch (const spdlog::spdlog_ex& failure) {
    throw Error(ExitCode::io, "cannot open the log " + path, failure.what(),
                "check that the output folder can be written");
  }
}

void log_info(const std::string& text) { spdlog::info("{}", printable(text)); }
void log_warning(const std::string& text) { spdlog::warn("{}", printable(text)); }
void log_error(const std::string& text) { spdlog::error("{}", printable(text)); }

}  // namespace lockstep
