// The readers of bytes that come from outside, each as a function of any bytes. Nothing but lockstep::Error
// may leave a reader: no other exception, no signal, no more than 1 GB and 10 seconds.
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

/// In the order of their names; each has seeds of its own in seeds.py.
std::span<const Target> targets();
/// Null where there is none of that name; then standard error has all names.
const Target* target_named(std::string_view name);

/// Gives the bytes to the reader. What it throws beside Error comes through.
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

/// Ends the program with the message: a reader took what it should not have.
[[noreturn]] void broken(const std::string& what);

/// How deep the brackets nest. What is deep a target does not change by itself: JSON for Modern C++ walks it
/// recursively.
int nesting_of(Bytes bytes);

inline std::string text_of(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace lockstep::fuzz
