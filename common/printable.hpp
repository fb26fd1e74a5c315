// Texts from outside (names, output of programs) as a terminal or a log may show them.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

enum class LineFeeds { escaped, kept };

/// Control characters, bytes that are not UTF-8 and marks that change the direction of writing become escapes
/// such as "\x1b", so that every byte can still be told; all else stays. For names that a reader has to find
/// again. Where a value is only quoted, on_one_line() (configs/text.hpp) is shorter.
std::string printable(std::string_view text, LineFeeds line_feeds = LineFeeds::escaped);

}  // namespace lockstep
