#include "worker/ranks/agreement.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iostream>

#include "collectives/all_gather.hpp"
#include "collectives/broadcast.hpp"
#include "common/filesystem_error.hpp"
#include "common/log.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

constexpr int by_signal = 128;  // added to the signal, as in exit codes

/// The exit code, a blank and the message.
std::string in_words(const Transport& transport, const Error& error) {
  const auto place =
      transport.rank() == 0 ? "" : "on rank " + std::to_string(transport.rank()) + " (" + host_name() + "): ";
  return std::to_string(static_cast<int>(error.exit_code())) + " " + place + error.what();
}

}  // namespace

std::vector<std::string> gather_texts(Transport& transport, const std::string& text) {
  std::vector<std::string> texts;
  for (const auto& bytes : gather_bytes(transport, std::as_bytes(std::span(text)))) {
    texts.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  return texts;
}

std::vector<std::vector<double>> gather_numbers_by_rank(Transport& transport, std::span<const double> own) {
  std::vector<std::vector<double>> all;
  for (const auto& part : gather_bytes(transport, std::as_bytes(own))) {
    auto& numbers = all.emplace_back(part.size() / sizeof(double));
    std::memcpy(numbers.data(), part.data(), part.size());
  }
  return all;
}

std::vector<double> gather_numbers(Transport& transport, std::span<const double> own) {
  std::vector<double> all;
  for (const auto& part : gather_numbers_by_rank(transport, own))
    all.insert(all.end(), part.begin(), part.end());
  return all;
}

void on_all_ranks(Transport& transport, const std::function<void()>& action) {
  std::string failure;  // "" or that of in_words()
  try {
    action();
  } catch (const CollectiveError&) {
    throw;
  } catch (const GpuFailure&) {
    throw;
  } catch (const Error& error) {
    if (error.exit_code() == ExitCode::out_of_memory) throw;
    failure = in_words(transport, error);
  } catch (const std::filesystem::filesystem_error& error) {
    failure = in_words(transport, file_error(error));
  } catch (const Interrupted& interrupted) {
    failure = std::to_string(by_signal + interrupted.signal) + " ";
  }
  for (const auto& text : gather_texts(transport, failure)) {
    if (text.empty()) continue;
    const auto blank = text.find(' ');
    const int code = std::stoi(text.substr(0, blank));
    if (code > by_signal) throw Interrupted{code - by_signal};
    throw Error(static_cast<ExitCode>(code), text.substr(blank + 1));
  }
}

void leave_if_asked(Transport& transport) {
  const auto signals = gather_numbers(transport, std::array{static_cast<double>(asked_to_end())});
  const auto signal = static_cast<int>(*std::ranges::max_element(signals));
  if (signal != 0) throw Interrupted{signal};
}

void say_on_this_rank(int rank, const Error& error) {
  std::cerr << "error: on rank " + std::to_string(rank) + " (" + host_name() + "): " + error.what() + "\n"
            << std::flush;
}

std::string broadcast_text(Transport& transport, std::string text) {
  auto size = static_cast<std::int64_t>(text.size());
  broadcast(transport, &size, sizeof size, 0);
  text.resize(static_cast<std::size_t>(size));
  broadcast(transport, text.data(), text.size(), 0);
  return text;
}

void require_same(Transport& transport, const std::string& what, const std::string& value,
                  const std::string& suggestion) {
  const auto hosts = gather_texts(transport, host_name());
  const auto values = gather_texts(transport, value);
  for (std::size_t rank = 1; rank < values.size(); ++rank) {
    if (values[rank] == values[0]) continue;
    throw Error(ExitCode::config, what + " differs between ranks",
                "rank 0 on " + hosts[0] + " has " + values[0] + ", rank " + std::to_string(rank) + " on " +
                    hosts[rank] + " has " + values[rank],
                suggestion);
  }
}

}  // namespace lockstep
