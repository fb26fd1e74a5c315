// The GPUs of this machine, told without CUDA: from the driver's device files and CUDA_VISIBLE_DEVICES.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace lockstep {

/// Where the driver's device files are: /dev, or $LOCKSTEP_DEVICE_FILES.
std::filesystem::path device_folder();

/// CUDA_VISIBLE_DEVICES; nothing where it is not set.
std::optional<std::string> cuda_visible_devices();

/// How many GPUs have a device file, nvidia0, nvidia1 and so on, in `folder`.
int gpu_device_files(const std::filesystem::path& folder);

/// How many of `present` GPUs a process with this CUDA_VISIBLE_DEVICES sees. As CUDA reads it: a list of
/// indices or UUIDs, which ends in front of the first index that is no GPU, and is void when a GPU is named
/// twice; of GPUs or MIG devices named by UUID each counts, as whether they exist cannot be told here.
int visible_gpus(int present, const std::optional<std::string>& visible);

}  // namespace lockstep
