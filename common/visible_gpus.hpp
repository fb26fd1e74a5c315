// The GPUs of this machine, told without CUDA: from the driver's device files and CUDA_VISIBLE_DEVICES.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>

namespace lockstep {

/// Where the driver's device files are: /dev, or $LOCKSTEP_DEVICE_FILES.
std::filesystem::path device_folder();

/// CUDA_VISIBLE_DEVICES; nothing where it is not set.
std::optional<std::string> cuda_visible_devices();

/// GPUs by their device files.
struct GpuDeviceFiles {
  int usable = 0;
  /// Those that this process may not open: its job has no such GPU (the kernel then says EPERM), or its user
  /// lacks the permission (EACCES). Any other error is a GPU that is there and broken, and counts as usable.
  int withheld = 0;
  std::string why_withheld;  ///< "/dev/nvidia0: Operation not permitted"; of the first in alphabetical order
};

/// 0 where `file` can be opened to read and write, else the error number. access() does not see what the
/// control group of a job forbids.
int error_of_opening(const std::filesystem::path& file);

/// Those in `folder`, nvidia0, nvidia1 and so on, each tried with `open`.
GpuDeviceFiles gpu_device_files(
    const std::filesystem::path& folder,
    const std::function<int(const std::filesystem::path&)>& open = error_of_opening);

/// How many of `present` GPUs a process with this CUDA_VISIBLE_DEVICES sees. As CUDA reads it: a list of
/// indices or UUIDs, which ends in front of the first index that is no GPU, and is void when a GPU is named
/// twice; of GPUs or MIG devices named by UUID each counts, as whether they exist cannot be told here.
int visible_gpus(int present, const std::optional<std::string>& visible);

}  // namespace lockstep
