// Parses the header of a safetensors file that any program may have written. Its numbers are not trusted.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "worker/files/safetensors.hpp"

namespace lockstep {

/// The longest header that is read, as in the reference library.
constexpr std::int64_t longest_header = 100'000'000;

/// The tensors in the header `text`, by name. The file has `data_bytes` bytes of data, which begin at byte
/// `data_begin`. The tensors follow one another without a gap or a rest, each of the size that its shape and
/// type give. Memory use depends on the length of `text`, not on the numbers in it. Throws std::runtime_error
/// that says what is wrong.
std::map<std::string, StoredTensor> tensors_in_header(const std::string& text, std::int64_t data_begin,
                                                      std::int64_t data_bytes);

}  // namespace lockstep
