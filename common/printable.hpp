// Texts of others, as a terminal or a log may show them.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

enum class LineFeeds { escaped, kept };

/// Names of files, hosts and classes may hold anything. Control characters, bytes that are not UTF-8, and
/// marks that change the direction of writing become "\x1b" and the like; all else stays.
std::string printable(std::string_view text, LineFeeds line_feeds = LineFeeds::escaped);

}  // namespace lockstep
