// Counts the GPUs of this machine without CUDA, by the driver's device files and CUDA_VISIBLE_DEVICES.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace lockstep {

/// Where the driver's device files are: /dev, or $LOCKSTEP_DEVICE_FILES.
std::filesystem::path device_folder();

/// CUDA_VISIBLE_DEVICES; nothing if it is not set.
std::optional<std::string> cuda_visible_devices();

/// Counts of the driver's device files.
struct GpuDeviceFiles {
  int usable = 0;
  /// Files that this process may not open: the GPU does not belong to its job (EPERM), or its user lacks
  /// permission (EACCES). Any other error means a GPU that is there but broken, which counts as usable.
  int withheld = 0;
  std::string
      why_withheld;  ///< for the first of them in alphabetical order: "/dev/nvidia0: Operation not permitted"
};

/// 0 if `file` can be opened for reading and writing, otherwise the error number. access() does not know
/// what the control group of a job forbids.
int error_of_opening(const std::filesystem::path& file);

/// Counts the files nvidia0, nvidia1, ... in `folder`, trying each with `open`.
GpuDeviceFiles gpu_device_files(
    const std::filesystem::path& folder,
    const std::function<int(const std::filesystem::path&)>& open = error_of_opening);

/// How many of `present` GPUs a process with this CUDA_VISIBLE_DEVICES sees. CUDA reads a list of indices or
/// UUIDs, which ends before the first index that is not a GPU, and sees none if a GPU is listed twice. Every
/// UUID of a GPU or MIG device counts, since its existence cannot be checked here.
int visible_gpus(int present, const std::optional<std::string>& visible);

}  // namespace lockstep
