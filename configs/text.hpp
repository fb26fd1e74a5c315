// Words for messages and comments, which stay on one line and short whatever the user wrote.
#pragma once

#include <string>
#include <vector>

namespace lockstep {

/// "a, b, c"
std::string joined(const std::vector<std::string>& words, const std::string& between = ", ");

bool is_utf8(const std::string& text);

/// Control characters, and all bytes above 127 of a text that is not UTF-8, become '?'.
std::string on_one_line(std::string text);

/// At most `longest` bytes (4 or more): a longer text ends in "...", and is never cut within a character.
std::string shortened(const std::string& text, std::size_t longest = 60);

}  // namespace lockstep
