#include "launcher/mpiruns_words.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace lockstep {
namespace {

constexpr std::size_t shortest_rule = 60;     // the rule of dashes above and below a banner
constexpr std::size_t longest_banner = 8192;  // a longer text is not a banner
constexpr std::size_t longest_said = 4096;

bool is_rule(const std::string& line) {
  return line.size() >= shortest_rule && line.find_first_not_of('-') == std::string::npos;
}

/// Messages that mpirun prints outside of banners.
bool is_mpiruns(const std::string& line) {
  constexpr std::array parts = {": Forwarding signal ", " total processes failed to start",
                                "has sent help message ", "have sent help message ",
                                "Set MCA parameter \"orte_base_help_aggregate\""};
  return std::ranges::any_of(parts, [&](const char* part) { return line.find(part) != std::string::npos; });
}

/// Messages that only say that a rank has ended, which the rank has reported itself.
bool repeats(const std::string& banner) {
  constexpr std::array parts = {"non-zero", "exited on\n", "exited on signal", "MPI_ABORT was invoked"};
  return std::ranges::any_of(parts, [&](const char* part) { return banner.find(part) != std::string::npos; });
}

}  // namespace

std::string MpirunsWords::of_line(const std::string& line) {
  const auto words = line.substr(0, line.find_last_not_of("\r\n") + 1);
  if (const auto at = words.find(ranks_are_there); at != std::string::npos) {
    ranks_were_there_ = true;
    const bool nothing_else = at == 0 || words[at - 1] == ':' || words.substr(0, at).ends_with(": ");
    return nothing_else ? ""
                        : words.substr(0, at) + "\n";  // mpirun or srun may put a label in front of a line
  }
  if (!hold_back_) return line;
  if (is_rule(words)) {
    if (std::exchange(in_banner_, !in_banner_)) {
      if (!repeats(banner_) && said_.size() < longest_said) said_ += banner_;
      banner_.clear();
    }
    return "";
  }
  if (in_banner_) {
    banner_ += line;
    if (banner_.size() < longest_banner) return "";
    in_banner_ = false;
    return std::exchange(banner_, "");
  }
  return is_mpiruns(words) ? "" : line;
}

std::string MpirunsWords::pass(std::string_view part) {
  std::string shown;
  for (;;) {
    const auto end = part.find('\n');
    line_ += part.substr(0, end == std::string_view::npos ? end : end + 1);
    if (end == std::string_view::npos) return shown;
    shown += of_line(std::exchange(line_, ""));
    part.remove_prefix(end + 1);
  }
}

std::string MpirunsWords::rest() { return std::exchange(banner_, "") + std::exchange(line_, ""); }

}  // namespace lockstep
