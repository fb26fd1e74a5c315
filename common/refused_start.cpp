#include "common/refused_start.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "common/rank_status.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::size_t largest = 64 * 1024;

std::string path_of(const std::string& run) { return status_folder(run) + "/refused_start.json"; }

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RefusedStart, time, exit_code, text)

void keep_refused_start(const std::string& run, const RefusedStart& refused) {
  std::error_code none;
  if (!fs::is_directory(run, none)) return;
  fs::create_directory(status_folder(run), none);
  const auto part = path_of(run) + ".part";
  std::ofstream file(part, std::ios::trunc);
  file << json(refused).dump(-1, ' ', false, json::error_handler_t::replace) << "\n";
  file.close();
  if (file) std::rename(part.c_str(), path_of(run).c_str());
}

void forget_refused_start(const std::string& run) {
  std::error_code none;
  fs::remove(path_of(run), none);
}

std::optional<RefusedStart> read_refused_start(const std::string& run) {
  std::error_code none;
  if (!fs::is_regular_file(path_of(run), none)) return std::nullopt;
  std::string text(largest, '\0');
  std::ifstream file(path_of(run));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));
  const auto object = json::parse(text.substr(0, text.find('\n')), nullptr, /*allow_exceptions=*/false);
  try {
    return object.get<RefusedStart>();
  } catch (const json::exception&) {
    return std::nullopt;
  }
}

}  // namespace lockstep
