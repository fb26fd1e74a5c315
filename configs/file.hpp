// Configuration files as text.
#pragma once

#include <string>
#include <variant>

#include "configs/registry.hpp"

namespace lockstep {

using FileContent = std::variant<std::string, Problem>;

/// The content, or why there is none: it cannot be read, is a FIFO that nobody writes into for 5 seconds, or
/// is larger than 256 KiB (in larger files, tables could nest so deeply that toml++ overflows the stack).
FileContent read_small_file(const std::string& path);

}  // namespace lockstep
