// What this rank computes on: its host's CPU cores or one GPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <memory>
#include <optional>
#include <string>

#include "collectives/mpi_transport.hpp"
#include "common/set_aside.hpp"
#include "configs/config.hpp"
#include "worker/ranks/device_details.hpp"

namespace lockstep {

struct Compute {
  /// Where forward and backward run and gradients are summed.
  at::Device device = at::kCPU;
  int gpu_index = 0;  ///< which of the host's GPUs, if it computes on one
  int cores = 1;      ///< of the host, for the threads of this rank
  /// Results are bit-identical within a class: "cpu AVX2", "NVIDIA H100 80GB HBM3, compute capability 9.0,
  /// 132 SMs".
  std::string device_class;
  /// On GPUs these must be the same too; empty on CPUs.
  DeviceDetails device_details;
  /// The transport between GPUs, over NCCL or through host memory and MPI. Null on CPUs, which use the host's
  /// transport.
  std::unique_ptr<Transport> between_gpus;

  /// The transport that moves and reduces what lies on `device`.
  Transport& transport(Transport& host) const { return between_gpus ? *between_gpus : host; }
  std::optional<at::Device> gpu() const { return between_gpus ? std::optional(device) : std::nullopt; }
};

/// Collective: chooses the device that distributed.device asks for. "auto" takes GPUs if this build supports
/// them and every rank has one of its own that is not set `aside`, or a share of one with
/// distributed.gpu_transport = "staged". Pins the rank to its cores and sets LibTorch up: threads,
/// deterministic algorithms. Throws Error on all ranks: (config) when "cuda" is asked for and a rank has no
/// GPU, when a host has GPUs that CUDA cannot use, or when the ranks' devices, drivers or libraries differ;
/// (gpu_failed) when all GPUs that a rank is shown are set aside.
Compute choose_compute(MpiTransport& host, const Config& config, const SetAside& aside);

/// Collective: throws Error (config) when two ranks of a host have the same GPU. `address`: that of this
/// rank's GPU on the PCI bus; "" for none.
void require_own_gpus(Transport& transport, const std::string& address);

/// True when this machine's CPU multiplies matrices of bf16 in hardware (AMX). AVX512_BF16 alone, which has
/// dot products only, does not pay: with oneDNN limited to it, float32 takes 0.70 to 0.79 times as long as
/// bf16.
bool cpu_has_amx();

}  // namespace lockstep
