#include "worker/files/safetensors_header.hpp"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <utility>
#include <vector>

#include "configs/text.hpp"
#include "configs/value.hpp"

namespace lockstep {
namespace {

using Json = nlohmann::json;

constexpr std::size_t most_dimensions = 64;  // as torch has

const std::map<std::string, std::int64_t>& bytes_of_types() {
  static const std::map<std::string, std::int64_t> bytes = {
      {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"F8_E4M3", 1}, {"F8_E5M2", 1}, {"F8_E8M0", 1},
      {"I16", 2},  {"U16", 2}, {"F16", 2}, {"BF16", 2},    {"I32", 4},     {"U32", 4},
      {"F32", 4},  {"I64", 8}, {"U64", 8}, {"F64", 8},     {"C64", 8}};
  return bytes;
}

std::string shown(const std::string& name) { return quoted(shortened(on_one_line(name))); }

/// Handles the events of nlohmann's SAX parser, which builds no document of its own. Accepts an object that
/// maps names to tensors and throws std::runtime_error for anything else.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  std::map<std::string, StoredTensor> tensors;

  bool null() override { unexpected("null"); }
  bool boolean(bool) override { unexpected("true or false"); }
  bool number_integer(std::int64_t number) override { unexpected("the number " + std::to_string(number)); }
  bool number_float(double, const std::string& text) override { unexpected("the number " + shortened(text)); }
  bool binary(binary_t&) override { unexpected("binary data"); }

  bool number_unsigned(std::uint64_t number) override {
    if (place_ != Place::list || number > std::numeric_limits<std::int64_t>::max() ||
        list_.size() == most_dimensions)
      unexpected("the number " + std::to_string(number));
    list_.push_back(static_cast<std::int64_t>(number));
    return true;
  }

  bool string(std::string& text) override {
    if (place_ == Place::metadata) return true;
    if (place_ != Place::tensor || field_ != "dtype") unexpected("a text");
    tensor_.dtype = text;
    return true;
  }

  bool key(std::string& name) override {
    if (place_ == Place::header) {
      name_ = name;
      if (tensors.contains(name)) throw std::runtime_error("it names " + shown(name) + " twice");
    } else if (place_ == Place::tensor) {
      field_ = name;
      const bool known = name == "dtype" || name == "shape" || name == "data_offsets";
      if (!known || !fields_.insert(name).second)
        throw std::runtime_error(shown(name_) + (known ? " has two entries " : " has an unknown entry ") +
                                 shown(name));
    }
    return true;
  }

  bool start_object(std::size_t) override {
    if (place_ == Place::outside) {
      place_ = Place::header;
    } else if (place_ == Place::header) {
      place_ = name_ == "__metadata__" ? Place::metadata : Place::tensor;
      tensor_ = {};
      fields_.clear();
    } else {
      unexpected("an object");
    }
    return true;
  }

  bool end_object() override {
    if (place_ == Place::tensor) {
      if (fields_.size() != 3)
        throw std::runtime_error(shown(name_) + " lacks its dtype, shape or data_offsets");
      tensors.emplace(name_, tensor_);
    }
    place_ = place_ == Place::header ? Place::outside : Place::header;
    return true;
  }

  bool start_array(std::size_t) override {
    if (place_ != Place::tensor || field_ == "dtype") unexpected("a list");
    place_ = Place::list;
    list_.clear();
    return true;
  }

  bool end_array() override {
    place_ = Place::tensor;
    if (field_ == "shape") {
      tensor_.shape = list_;
      return true;
    }
    if (list_.size() != 2) throw std::runtime_error(shown(name_) + " has not two data_offsets");
    tensor_.begin = list_[0];
    tensor_.end = list_[1];
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    throw std::runtime_error("its header is no JSON from byte " + std::to_string(position) + " on");
  }

 private:
  enum class Place { outside, header, metadata, tensor, list };

  [[noreturn]] void unexpected(const std::string& what) const {
    throw std::runtime_error("its header has " + what + " where none can be" +
                             (name_.empty() ? "" : ", in " + shown(name_)));
  }

  Place place_ = Place::outside;
  std::string name_, field_;
  std::set<std::string> fields_;  ///< entries of the current tensor so far
  StoredTensor tensor_{};
  std::vector<std::int64_t> list_;
};

/// The size of a tensor in bytes, from its shape and type.
std::int64_t size_of(const std::string& name, const StoredTensor& tensor) {
  const auto type = bytes_of_types().find(tensor.dtype);
  if (type == bytes_of_types().end())
    throw std::runtime_error(shown(name) + " has the unknown type " + shown(tensor.dtype));
  std::int64_t bytes = type->second;
  for (const auto size : tensor.shape) {
    if (__builtin_mul_overflow(bytes, size, &bytes))
      throw std::runtime_error(shown(name) + " is larger than any file");
  }
  return bytes;
}

/// Throws std::runtime_error unless the tensors follow one another without overlap, gap or rest.
void require_order(const std::map<std::string, StoredTensor>& tensors, std::int64_t data_bytes) {
  std::vector<std::pair<std::pair<std::int64_t, std::int64_t>, const std::string*>> places;
  for (const auto& [name, tensor] : tensors) places.push_back({{tensor.begin, tensor.end}, &name});
  std::ranges::sort(places);
  std::int64_t end = 0;
  for (const auto& [place, name] : places) {
    const auto& tensor = tensors.at(*name);
    if (place.first != end)
      throw std::runtime_error(shown(*name) + " begins at byte " + std::to_string(place.first) +
                               " of the data, and what lies in front of it ends at " + std::to_string(end));
    if (place.second < place.first || place.second - place.first != size_of(*name, tensor))
      throw std::runtime_error(shown(*name) + " has other bytes than its shape and type take");
    end = place.second;
    if (end > data_bytes) throw std::runtime_error("the bytes of " + shown(*name) + " are not all in it");
  }
  if (end != data_bytes)
    throw std::runtime_error(std::to_string(data_bytes - end) + " bytes lie behind its last tensor");
}

}  // namespace

std::map<std::string, StoredTensor> tensors_in_header(const std::string& text, std::int64_t data_begin,
                                                      std::int64_t data_bytes) {
  if (!text.starts_with('{')) throw std::runtime_error("its header is no JSON object");
  HeaderReader reader;
  Json::sax_parse(text, &reader);
  require_order(reader.tensors, data_bytes);
  for (auto& [name, tensor] : reader.tensors) {
    tensor.begin += data_begin;
    tensor.end += data_begin;
  }
  return std::move(reader.tensors);
}

}  // namespace lockstep
