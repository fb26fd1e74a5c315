#include "common/refused_start.hpp"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/rank_status.hpp"
#include "common/small_file.hpp"
#include "common/stored_json.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr std::int64_t largest = 64 * 1024;

std::string path_of(const std::string& run) { return status_folder(run) + "/refused_start.json"; }

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RefusedStart, time, exit_code, text)

void keep_refused_start(const std::string& run, const RefusedStart& refused) {
  std::error_code none;
  if (!fs::is_directory(run, none)) return;
  fs::create_directory(status_folder(run), none);
  try {
    replace_file(path_of(run), json(refused).dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
  } catch (const Error&) {  // the error that ended the start says more
  }
}

void forget_refused_start(const std::string& run) {
  std::error_code none;
  fs::remove(path_of(run), none);
}

std::optional<RefusedStart> read_refused_start(const std::string& run) {
  std::error_code none;
  if (!fs::exists(path_of(run), none)) return std::nullopt;
  try {
    const auto object = stored_json(read_file(path_of(run), largest));
    if (has_types_of(object, RefusedStart{})) return object.get<RefusedStart>();
  } catch (const Error&) {
  } catch (const json::exception&) {
  }
  return std::nullopt;
}

}  // namespace lockstep
