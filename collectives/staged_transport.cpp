#include "collectives/staged_transport.hpp"

#include <exception>
#include <vector>

#include "common/log.hpp"

namespace lockstep {

StagedTransport::~StagedTransport() {
  if (failed_ || std::uncaught_exceptions() > exceptions_at_start_) return;
  try {
    release();
  } catch (const Error& error) {
    log_warning(error.what());
  }
}

void StagedTransport::exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) {
  std::size_t bytes = 0;
  for (const auto& message : outgoing) bytes += message.bytes;
  for (const auto& message : incoming) bytes += message.bytes;
  auto* next = staging(bytes);
  std::vector<Outgoing> sent;
  for (std::size_t i = 0; i < outgoing.size(); ++i) {
    const auto& message = outgoing[i];
    if (i > 0 && message.data == outgoing[i - 1].data && message.bytes == outgoing[i - 1].bytes) {
      sent.push_back(
          {message.peer, sent.back().data, message.bytes});  // the same for all, as in all_gather()
      continue;
    }
    copy(next, message.data, message.bytes);
    sent.push_back({message.peer, next, message.bytes});
    next += message.bytes;
  }
  std::vector<Incoming> received;
  for (const auto& message : incoming) {
    received.push_back({message.peer, next, message.bytes});
    next += message.bytes;
  }
  host_.exchange(sent, received);
  for (std::size_t i = 0; i < incoming.size(); ++i)
    copy(incoming[i].data, received[i].data, incoming[i].bytes);
}

std::byte* StagedTransport::staging(std::size_t bytes) {
  if (bytes > staging_bytes_) {
    staging_ = std::make_unique_for_overwrite<std::byte[]>(bytes);
    staging_bytes_ = bytes;
  }
  return staging_.get();
}

}  // namespace lockstep
