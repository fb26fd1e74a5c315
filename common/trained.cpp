#include "common/trained.hpp"

#include <filesystem>

namespace lockstep {

bool nothing_is_trained(const std::string& run) {
  namespace fs = std::filesystem;
  const auto is_missing =
      [](const std::error_code& failure) {  // any other failure may hide a file that exists
        return failure == std::errc::no_such_file_or_directory;
      };
  std::error_code failure;
  const auto size = fs::file_size(run + "/metrics.jsonl", failure);
  if (failure ? !is_missing(failure) : size > 0) return false;
  if (fs::status(run + "/result.json", failure).type() != fs::file_type::not_found) return false;
  const fs::directory_iterator checkpoints(run + "/checkpoint", failure);
  return failure ? is_missing(failure) : checkpoints == fs::directory_iterator();
}

}  // namespace lockstep
