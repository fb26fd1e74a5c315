// Files that are read as data: regular ones alone, as opening a FIFO would wait for a writer.
#pragma once

#include <string>

namespace lockstep {

/// "" for a regular file, or a path of which nothing is known; else what lies there, as in "it is a FIFO".
/// Links are followed; nothing is opened.
std::string not_regular(const std::string& path);

/// Opens `path` for reading and returns the descriptor, which the caller closes. Throws Error (io) when it
/// cannot be opened or is no regular file.
int open_regular(const std::string& path);

/// At most `count` bytes from the beginning of `path`. Throws as open_regular().
std::string first_bytes(const std::string& path, std::size_t count);

}  // namespace lockstep
