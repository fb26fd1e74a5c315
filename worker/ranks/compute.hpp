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
  int gpu_index = 0;  ///< which of the host's GPUs, where there is one
  int cores = 1;      ///< of the host, for the threads of this rank
  /// Results are bit-identical within a class: "cpu AVX2", "NVIDIA H100 80GB HBM3, compute capability 9.0,
  /// 132 SMs".
  std::string device_class;
  /// And, on GPUs, with the same of these; empty on CPUs.
  DeviceDetails device_details;
  /// NCCL, or host memory and MPI, between the GPUs; null on the CPU, where the host's transport does it.
  std::unique_ptr<Transport> between_gpus;

  /// The transport that moves and adds what lies on `device`.
  Transport& transport(Transport& host) const { return between_gpus ? *between_gpus : host; }
  std::optional<at::Device> gpu() const { return between_gpus ? std::optional(device) : std::nullopt; }
};

/// Collective: the device of distributed.device: "auto" takes the GPUs where every rank has one of its own,
/// or with distributed.gpu_transport = "staged" a share of one, that is not set `aside`, and this build knows
/// them. Sets LibTorch up for it: threads, deterministic algorithms. Throws Error (config) on all ranks when
/// "cuda" is asked for and cannot be had, GPUs are there that CUDA cannot use, or the ranks' devices, drivers
/// or libraries differ.
Compute choose_compute(MpiTransport& host, const Config& config, const SetAside& aside);

/// Collective: throws Error (config) when two ranks have the GPU of one address; "" stands for none.
void require_own_gpus(Transport& transport, const std::string& address);

/// True when this machine's CPU multiplies matrices of bf16 in hardware (AMX). The dot products of
/// AVX512_BF16 alone are no gain: with oneDNN held to them, float32 takes 0.70 to 0.79 times as long as bf16.
bool cpu_has_amx();

}  // namespace lockstep
