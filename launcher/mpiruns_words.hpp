// What mpirun says of itself amid what the ranks write.
#pragma once

#include <string>
#include <string_view>

namespace lockstep {

/// The line with which rank 0 tells the launcher, on standard error, that all ranks are there.
inline constexpr std::string_view ranks_are_there = "lockstep: the ranks are there";

/// Parts the two, byte for byte, as they come. The ranks say themselves what went wrong, and mpirun's banners
/// about it would bury that; where no rank could speak, they are all there is.
class MpirunsWords {
 public:
  /// With `hold_back` its banners are kept for said(), otherwise they are shown too.
  explicit MpirunsWords(bool hold_back) : hold_back_(hold_back) {}

  /// What of `part` is to be shown, with what waited for it.
  std::string pass(std::string_view part);
  /// What waits for the end of its line, or of its banner.
  std::string rest();
  /// What was held back, less what only repeats how a rank ended. "" where there is nothing.
  const std::string& said() const { return said_; }
  bool ranks_were_there() const { return ranks_were_there_; }

 private:
  std::string of_line(const std::string& line);

  bool hold_back_;
  bool in_banner_ = false, ranks_were_there_ = false;
  std::string line_, banner_, said_;
};

}  // namespace lockstep
