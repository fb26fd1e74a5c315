#include "configs/templates.hpp"

#include <algorithm>

#include "configs/names.hpp"
#include "configs/text.hpp"

namespace lockstep {

std::vector<std::string> template_names() {
  std::vector<std::string> names;
  for (const Template& one : templates()) names.push_back(one.name);
  return names;
}

const Template* find_template(const std::string& name) {
  const auto found = std::ranges::find(templates(), name, &Template::name);
  return found == templates().end() ? nullptr : &*found;
}

Problem unknown_template(const std::string& name) {
  const std::string nearest = nearest_name(name, template_names());
  return {"unknown template " + quoted(shortened(name)), "the templates are " + joined(template_names()),
          nearest.empty() ? "choose one of them" : "did you mean " + quoted(nearest) + "?"};
}

}  // namespace lockstep
