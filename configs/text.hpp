// Text for messages and comments, which stay short and on one line whatever the user has written.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// "a, b, c"
std::string joined(const std::vector<std::string>& words, const std::string& between = ", ");

bool is_utf8(const std::string& text);

/// Control characters, and all bytes above 127 of a text that is not UTF-8, become '?': for what users have
/// written, quoted in messages and in comments of TOML files, where the escapes of printable()
/// (common/printable.hpp) would look like part of the value.
std::string on_one_line(std::string text);

/// Wraps `text` at `columns` (longer words get a line of their own). The first line begins with `first`, the
/// others with `rest`; each ends in a newline.
std::string wrapped(const std::string& text, const std::string& first, const std::string& rest,
                    std::size_t columns);

/// `text` cut to at most `longest` bytes (4 or more): a longer one ends in "...", and is not cut within a
/// character.
std::string shortened(const std::string& text, std::size_t longest = 60);

}  // namespace lockstep
