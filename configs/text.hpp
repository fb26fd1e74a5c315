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

/// The words of `text` in lines of at most `columns` (longer words stand alone), the first begun with `first`
/// and the others with `rest`, each with a newline at its end.
std::string wrapped(const std::string& text, const std::string& first, const std::string& rest,
                    std::size_t columns);

/// At most `longest` bytes (4 or more): a longer text ends in "...", and is never cut within a character.
std::string shortened(const std::string& text, std::size_t longest = 60);

}  // namespace lockstep
