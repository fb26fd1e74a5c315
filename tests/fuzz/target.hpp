// The readers of external bytes, each as a function of arbitrary bytes. A reader may throw lockstep::Error
// and nothing else: no other exception, no signal, at most 1 GiB and 10 seconds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace lockstep::fuzz {

using Bytes = std::span<const std::uint8_t>;

struct Target {
  std::string_view name;
  void (*read)(Bytes);
};

/// All targets, ordered by name; seeds.py has seeds for each.
std::span<const Target> targets();
/// Null if there is no target of that name; then all names are printed to standard error.
const Target* target_named(std::string_view name);

/// Calls the reader with the bytes, and catches Error only.
void feed(const Target& target, Bytes bytes);

// data.cpp
void read_idx_folder(Bytes bytes);
void read_cifar_folder(Bytes bytes);
void read_packed(Bytes bytes);
void read_tar(Bytes bytes);
void read_image(Bytes bytes);
void read_image_folder(Bytes bytes);
// configuration.cpp
void read_toml(Bytes bytes);
void read_plan(Bytes bytes);
void read_overrides(Bytes bytes);
void read_import(Bytes bytes);
// run_folder.cpp
void read_statuses(Bytes bytes);
void read_what_is_set_aside(Bytes bytes);
void read_manifest_file(Bytes bytes);
void read_safetensors(Bytes bytes);
void read_metrics_and_result(Bytes bytes);
// launching.cpp
void read_hosts(Bytes bytes);
void read_hostfile(Bytes bytes);
void read_slurm_variables(Bytes bytes);
void read_scontrol(Bytes bytes);
void read_batch_job(Bytes bytes);
void read_visible_gpus(Bytes bytes);

/// Ends the program with the message: a reader accepted what it should have refused.
[[noreturn]] void broken(const std::string& what);

/// How deep the brackets nest. Mutations leave deeply nested inputs alone: JSON for Modern C++ walks them
/// recursively.
int nesting_of(Bytes bytes);

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace lockstep::fuzz
