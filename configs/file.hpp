// Configuration files as text.
#pragma once

#include <string>
#include <variant>

#include "configs/registry.hpp"

namespace lockstep {

using FileContent = std::variant<std::string, Problem>;

/// The content, or the problem: the file cannot be read, is a FIFO that nobody has written to within 5
/// seconds, or is larger than 256 KiB (in larger files, tables could nest so deeply that toml++ overflows
/// the stack).
FileContent read_small_file(const std::string& path);

}  // namespace lockstep
