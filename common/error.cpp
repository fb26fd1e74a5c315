#include "common/error.hpp"

#include <cerrno>
#include <cstring>

#include "common/printable.hpp"

namespace lockstep {
namespace {

std::string message(const std::string& problem, const std::string& why, const std::string& suggestion) {
  std::string text = problem;
  if (!why.empty()) text += " (" + why + ")";
  if (!suggestion.empty()) text += " " + suggestion;
  return printable(text);
}

std::string remedy(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "free some space or choose another --output, then run the same command again";
    case EACCES:
    case EPERM:
    case EROFS:
      return "check the owner and the mode of the folder, or choose another --output";
    case ENOENT:
      return "check the path";
    case ENOTDIR:
      return "a part of the path is a file: check it, or choose another --output";
    case EMFILE:
    case ENFILE:
      return "raise the limit of open files with `ulimit -n 4096`, then run the same command again";
    case EFBIG:
      return "raise the limit of the size of a file (ulimit -f), then run the same command again";
    case ELOOP:
      return "a link leads back to itself: remove it";
    case ENAMETOOLONG:
      return "give a shorter name";
    default:
      return "check the device and the file system";
  }
}

}  // namespace

Error::Error(ExitCode code, const std::string& problem, const std::string& why, const std::string& suggestion)
    : std::runtime_error(message(problem, why, suggestion)), code_(code) {}

Error file_error(const std::string& problem, const std::string& path, int error_number) {
  return Error(ExitCode::io, problem + " " + path, std::strerror(error_number), remedy(error_number));
}

}  // namespace lockstep
