// Messages between GPUs by way of host memory and MPI, sums on the GPU.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "collectives/gpu_transport.hpp"

namespace lockstep {

/// The memory is device memory of one GPU, which ranks may share: for tests with several ranks on a machine
/// with one card, which NCCL refuses. Messages are copied to host memory before they are sent and from it
/// after they are received; nothing overlaps with computing. Waits, deadlines and counts of messages are
/// those of the host transport.
class StagedTransport final : public GpuTransport {
 public:
  /// `host` must outlive this transport. `device` is this rank's GPU; it becomes the thread's current one.
  /// Not collective. Throws Error with ExitCode::config when the GPU cannot be used.
  StagedTransport(MpiTransport& host, int device) : GpuTransport(host, device) {}
  /// After a failure, or during stack unwinding, it frees nothing.
  ~StagedTransport() override;

  void exchange(std::span<const Outgoing> outgoing, std::span<const Incoming> incoming) override;
  void check_peers() override { host_.check_peers(); }
  std::string name() const override { return "staged"; }

 private:
  std::byte* staging(std::size_t bytes);

  std::unique_ptr<std::byte[]> staging_;
  std::size_t staging_bytes_ = 0;
};

}  // namespace lockstep
