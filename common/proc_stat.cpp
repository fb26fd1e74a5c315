#include "common/proc_stat.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

namespace lockstep {

std::filesystem::path folder_of_process(std::int64_t pid) { return "/proc/" + std::to_string(pid); }

std::optional<ProcStat> read_proc_stat(const std::filesystem::path& folder) {
  std::ifstream file(folder / "stat");
  std::string text;
  std::getline(file, text, '\0');  // unlike stream iterators, it does not throw if the process ends meanwhile
  const auto name = text.find('(') + 1, name_end = text.rfind(')');  // it may contain blanks and parentheses
  if (name == 0 || name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(text.substr(name_end + 1));
  const auto skip = [&](int count) {
    for (std::string skipped; count > 0; --count) fields >> skipped;
  };
  ProcStat stat;
  stat.name = text.substr(name, name_end - name);
  double user = 0, system = 0;
  fields >> stat.state >> stat.parent;
  skip(9);
  fields >> user >> system;  // fields 14 and 15
  skip(6);
  if (!(fields >> stat.start_ticks)) return std::nullopt;  // field 22
  stat.cpu_seconds = (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
  return stat;
}

}  // namespace lockstep
