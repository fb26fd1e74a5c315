#include "configs/json_value.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

struct ToJson {
  bool empty_is_auto;

  template <class T>
  json operator()(const T& value) const {
    return value;
  }
  template <class T>
  json operator()(const std::optional<T>& value) const {
    return value ? json(*value) : json("auto");
  }
  template <class T>
  json operator()(const std::vector<T>& list) const {
    return list.empty() && empty_is_auto ? json("auto") : json(list);
  }
};

}  // namespace

json json_value(const Value& value, bool empty_is_auto) { return std::visit(ToJson{empty_is_auto}, value); }

}  // namespace lockstep
