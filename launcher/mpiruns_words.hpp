// Separates mpirun's own messages from the output of the ranks.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

/// The line by which rank 0 tells the launcher, on standard error, that all ranks have started.
inline constexpr std::string_view ranks_are_there = "lockstep: the ranks are there";

/// Separates the two, byte by byte, as they arrive. Ranks report errors themselves, and mpirun's banners
/// would bury those; but if no rank could report anything, the banners are all there is.
class MpirunsWords {
 public:
  /// With `hold_back`, banners are kept for said(); otherwise they are shown, too.
  explicit MpirunsWords(bool hold_back) : hold_back_(hold_back) {}

  /// What can be shown after `part` has arrived, including text that was waiting for it.
  std::string pass(std::string_view part);
  /// Text that still waits for the end of its line or banner.
  std::string rest();
  /// What was held back, without messages that only repeat how a rank ended; "" if there is nothing.
  const std::string& said() const { return said_; }
  bool ranks_were_there() const { return ranks_were_there_; }

 private:
  std::string of_line(const std::string& line);

  bool hold_back_;
  bool in_banner_ = false, ranks_were_there_ = false;
  std::string line_, banner_, said_;
};

}  // namespace lockstep
