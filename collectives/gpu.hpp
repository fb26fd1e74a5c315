// The GPUs that this process can use, without any header of CUDA. A build without CUDA sees none.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// Number of GPUs; their indices are those of LibTorch and NCCL: from 0, over what CUDA_VISIBLE_DEVICES
/// leaves. 0 when there is none, when the driver is missing or too old, and in a build without CUDA.
int gpu_count();

/// Why gpu_count() is 0, for a message; empty when it is not.
std::string why_no_gpu();

/// What gpu_count() says, or where it finds none, the number of GPUs of this host by their device files and
/// by what the driver counts, whether or not this process may and can use them.
int gpus_present();

/// Throws Error (config), which says what is broken and how to mend it, if this process has GPUs that CUDA
/// cannot use: the driver is missing, too old, or fails. Does not throw if CUDA_VISIBLE_DEVICES hides them,
/// if they belong to other jobs or users, or in a build without CUDA.
void require_sound_gpus();

/// The version of NVIDIA's driver, "580.95.05"; if the kernel does not tell, the CUDA version that it
/// supports: "for CUDA 13.0".
std::string driver_version();

/// One kind of GPU: results are bit-identical among GPUs that are equal here.
struct Gpu {
  std::string name;       ///< e.g. "NVIDIA H100 80GB HBM3"
  int compute_major = 0;  ///< of the compute capability, 9.0 for that one
  int compute_minor = 0;
  int multiprocessors = 0;  ///< of a MIG device, whose name says that it is one, its own
  bool operator==(const Gpu&) const = default;
};

/// What GPU number `device` is. Throws Error with ExitCode::config when there is no such GPU.
Gpu gpu(int device);

/// Where GPU number `device` is on its host's PCI bus: "0000:18:00". Throws like gpu().
std::string gpu_address(int device);
/// Its UUID, "GPU-8f6c2d1e-..."; empty where CUDA does not tell. CUDA gives the bytes without their kind: a
/// MIG device, which the driver calls "MIG-...", is called "GPU-..." here too. Throws like gpu().
std::string gpu_uuid(int device);
/// The name (RankGpu::name) of every GPU, by number; empty where CUDA finds it no longer.
std::vector<std::string> gpu_names();

/// Makes GPU number `device` the one that the calling thread uses. Throws Error with ExitCode::config when
/// that is impossible, and GpuFailure when the GPU is broken.
void select_gpu(int device);

/// What select_gpu() was given last, by any thread of this process; -1 before.
int selected_gpu();

}  // namespace lockstep
