#include "worker/controller/tensorboard.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstring>
#include <filesystem>

#include "common/error.hpp"
#include "common/log.hpp"
#include "configs/json_value.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;
constexpr const char* prefix = "events.out.tfevents.";
constexpr int digits = 10;  // of a time in seconds, until the year 2286
constexpr std::int64_t last_stamp = 9'999'999'999;

/// CRC-32C (Castagnoli), a byte at a time; events are short.
constexpr auto crc_of_byte = [] {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0x82F63B78U : 0);
    table[byte] = crc;
  }
  return table;
}();

/// As TFRecord masks it, so that a checksum of bytes that hold checksums is still one.
std::uint32_t masked_crc(const std::string& bytes) {
  auto crc = ~std::uint32_t{0};
  for (const char byte : bytes)
    crc = (crc >> 8) ^ crc_of_byte[(crc ^ static_cast<unsigned char>(byte)) & 0xFF];
  return std::rotr(~crc, 15) + 0xA282EAD8U;
}

/// The bytes of a number, little-endian, as everywhere that lockstep runs.
template <class Number>
std::string bytes_of(Number number) {
  std::string bytes(sizeof number, '\0');
  std::memcpy(bytes.data(), &number, sizeof number);
  return bytes;
}

std::string varint(std::uint64_t number) {
  std::string bytes;
  for (; number >= 0x80; number >>= 7) bytes += static_cast<char>(number | 0x80);
  return bytes + static_cast<char>(number);
}

/// Fields of protocol buffers: the number of the field and how its value is stored, then the value.
std::string key(int field, int wire_type) {
  return varint(static_cast<std::uint64_t>(field) << 3 | wire_type);
}
std::string field(int number, double value) { return key(number, 1) + bytes_of(value); }
std::string field(int number, float value) { return key(number, 5) + bytes_of(value); }
std::string field(int number, std::int64_t value) {
  return key(number, 0) + varint(static_cast<std::uint64_t>(value));
}
std::string field(int number, const std::string& bytes) {
  return key(number, 2) + varint(bytes.size()) + bytes;
}

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// An Event; `what` is one of its fields file_version (3), summary (5) and session_log (7).
std::string event(std::int64_t step, const std::string& what) {
  return field(1, unix_seconds()) + field(2, step) + what;
}

std::string file_version() { return event(0, field(3, std::string("brain.Event:2"))); }
/// SessionLog with status START: TensorBoard forgets what it has of this step and later ones.
std::string start_of_session(std::int64_t step) { return event(step, field(7, field(1, std::int64_t{1}))); }

/// Groups in the order of their names: accuracy, loss, optimizer, progress, speed, time.
std::string tag_of(const std::string& name) {
  if (const auto test = name.find("test_"); test != std::string::npos) {
    const auto average = name.substr(0, test);  // "", "ema_", "swa_"
    auto tag = name.substr(test + 5) + "/test";
    return average.empty() ? tag : tag.append("_").append(average, 0, test - 1);
  }
  if (name == "loss") return "loss/train";
  if (name == "train_accuracy") return "accuracy/train";
  if (name == "images_per_second") return "speed/" + name;
  if (name == "epoch") return "progress/" + name;
  if (name.ends_with("_ms") || name == "slowest_rank") return "time/" + name;
  return "optimizer/" + name;
}

/// google.protobuf.Value.
std::string value_of(const nlohmann::json& value) {
  if (value.is_boolean()) return field(4, std::int64_t{value.get<bool>()});
  if (value.is_number()) return field(2, value.get<double>());
  return field(3, value.is_string() ? value.get<std::string>() : value.dump());
}

/// SessionStartInfo of the plugin HParams: a map of names to values, and when the run began.
std::string settings_of(const Config& config) {
  std::string info;
  for (const Parameter& row : parameters()) {
    if (row.effect != Effect::changes_result) continue;
    const auto value = json_value(row.get(config), row.bounds.empty_is_auto);
    info += field(1, field(1, row.name()) + field(2, value_of(value)));
  }
  return info + field(5, unix_seconds());
}

/// A Summary of the plugin HParams, which reads the metadata (9) of a tensor (8) that says nothing. `content`
/// is one of the fields session_start_info (3) and session_end_info (4) of HParamsPluginData.
std::string hparams(const std::string& tag, const std::string& content) {
  const auto shape = field(2, field(1, std::int64_t{1}));
  const auto tensor = field(1, std::int64_t{1}) + field(2, shape) + field(5, bytes_of(0.0F));
  const auto plugin = field(1, std::string("hparams")) + field(2, content);
  const auto metadata = field(1, plugin) + field(4, std::int64_t{2});  // of the class "tensor"
  return field(1, field(1, "_hparams_/" + tag) + field(8, tensor) + field(9, metadata));
}

/// The time in the name of a file of events, in seconds; 0 in any other name.
std::int64_t stamp_of(const std::string& name) {
  if (!name.starts_with(prefix)) return 0;
  std::int64_t stamp = 0;
  const auto* begin = name.data() + std::string_view(prefix).size();
  const auto* end = std::from_chars(begin, name.data() + name.size(), stamp).ptr;
  // Of another number of digits the order of names is not that of the times.
  return end - begin == digits ? stamp : 0;
}

bool has_events(const std::string& folder) {
  return std::ranges::any_of(fs::directory_iterator(folder), [](const auto& item) {
    return item.path().filename().string().starts_with(prefix);
  });
}

/// A name that sorts after those of events in `folder`: TensorBoard reads in this order. It follows from the
/// clock, or from a file that is ahead of it.
std::string next_name(const std::string& folder) {
  std::int64_t stamp =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  for (const auto& item : fs::directory_iterator(folder)) {
    const auto other = stamp_of(item.path().filename().string());
    if (other < last_stamp) stamp = std::max(stamp, other + 1);
  }
  for (;; ++stamp) {
    auto path = folder + "/" + prefix + std::to_string(stamp) + "." + host_name();
    if (!fs::exists(fs::symlink_status(path))) return path;
  }
}

}  // namespace

EventFile::EventFile(const std::string& folder, std::int64_t step) {
  try {
    fs::create_directories(folder);
    is_first_ = !has_events(folder);
    file_ = std::make_unique<PartFile>(next_name(folder), PartFile::Mode::write);
  } catch (const std::exception& error) {  // of the file system, or an Error
    log_warning(std::string("no events for TensorBoard: ") + error.what());
  }
  write(file_version());
  write(start_of_session(step + 1));
}

void EventFile::add(const nlohmann::ordered_json& line) {
  std::string summary;
  for (const auto& [name, value] : line.items()) {
    if (name == "step" || !value.is_number()) continue;
    summary += field(1, field(1, tag_of(name)) + field(2, value.get<float>()));
  }
  write(event(line.at("step").get<std::int64_t>(), field(5, summary)));
}

void EventFile::add_settings(const Config& config) {
  if (is_first_) write(event(0, field(5, hparams("session_start_info", field(3, settings_of(config))))));
}

void EventFile::end(std::int64_t step) {
  const auto success = field(1, std::int64_t{1}) + field(2, unix_seconds());
  write(event(step, field(5, hparams("session_end_info", field(4, success)))));
}

void EventFile::write(const std::string& event) {
  if (!file_) return;
  const auto length = bytes_of(static_cast<std::uint64_t>(event.size()));
  const auto record = length + bytes_of(masked_crc(length)) + event + bytes_of(masked_crc(event));
  try {
    file_->write(record.data(), std::ssize(record), written_);
    written_ += std::ssize(record);
  } catch (const Error& error) {
    log_warning(std::string("the events for TensorBoard end here: ") + error.what());
    file_.reset();
  }
}

}  // namespace lockstep
