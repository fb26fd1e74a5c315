#include "launcher/output_of.hpp"

#include <sys/wait.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "common/error.hpp"
#include "launcher/mpirun.hpp"

namespace lockstep {

Output output_of(const std::vector<std::string>& argv) {
  FILE* const pipe = popen((shell_line({argv, {}}) + " 2>&1 </dev/null").c_str(), "re");
  if (!pipe) throw file_error("cannot start", argv[0], errno);
  Output output;
  char part[4096];
  for (std::size_t size; (size = fread(part, 1, sizeof part, pipe)) > 0;) output.text.append(part, size);
  const int status = pclose(pipe);
  output.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return output;
}

std::string on_one_line_of(const Output& output) {
  std::istringstream lines(output.text);
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) text += (text.empty() ? "" : "; ") + line;
  }
  return text;
}

}  // namespace lockstep
