// The header of a safetensors file that any program may have written, and whose numbers are not to be
// trusted.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "worker/files/safetensors.hpp"

namespace lockstep {

/// The longest header that is read, as in the reference library.
constexpr std::int64_t longest_header = 100'000'000;

/// The tensors that the header `text` names, by name, for `data_bytes` of data that begin at `data_begin` in
/// the file. They lie one behind the other, without a gap or a rest, each of the size that its shape and type
/// give. Takes no memory but for what is in `text`. Throws std::runtime_error that says what is wrong.
std::map<std::string, StoredTensor> tensors_in_header(const std::string& text, std::int64_t data_begin,
                                                      std::int64_t data_bytes);

}  // namespace lockstep
