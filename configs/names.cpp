#include "configs/names.hpp"

#include <algorithm>
#include <cctype>

#include "configs/registry.hpp"
#include "configs/templates.hpp"
#include "configs/text.hpp"
#include "configs/versions.hpp"

namespace lockstep {
namespace {

bool has_alias(const Parameter& row, const std::string& name) {
  return std::find(row.aliases.begin(), row.aliases.end(), name) != row.aliases.end();
}

using Rows = std::vector<const Parameter*>;

std::string question(const Rows& rows) {
  std::string text;
  for (const Parameter* row : rows) text += (text.empty() ? "did you mean " : " or ") + row->name();
  return text + "?";
}

/// The rows for which `matches` holds; only those of `section` if there are any.
template <class Matches>
Rows matching_rows(const std::string& section, Matches matches) {
  Rows here, anywhere;
  for (const Parameter& row : parameters()) {
    if (!matches(row)) continue;
    anywhere.push_back(&row);
    if (row.section == section) here.push_back(&row);
  }
  return here.empty() ? anywhere : here;
}

}  // namespace

std::string plain_name(std::string name) {
  for (char& c : name) c = c == '-' ? '_' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return name;
}

int edit_distance(const std::string& a, const std::string& b) {
  const std::size_t columns = b.size() + 1;
  std::vector<std::vector<int>> cost(a.size() + 1, std::vector<int>(columns));
  for (std::size_t i = 0; i <= a.size(); ++i) {
    for (std::size_t j = 0; j < columns; ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = static_cast<int>(i + j);
        continue;
      }
      const int replaced = cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1, replaced});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string nearest_name(const std::string& name, const std::vector<std::string>& known) {
  std::string nearest;
  int least = std::max(1, static_cast<int>(name.size()) / 3) + 1;
  if (name.size() > 100) return nearest;
  for (const std::string& candidate : known) {
    const int distance = edit_distance(plain_name(name), candidate);
    if (distance >= least) continue;
    least = distance;
    nearest = candidate;
  }
  return nearest;
}

std::vector<const Parameter*> parameters_called(const std::string& section, const std::string& key) {
  const std::string name = plain_name(key);
  const Rows found = matching_rows(section, [&](const Parameter& row) { return row.key == name; });
  if (!found.empty()) return found;
  return matching_rows(section, [&](const Parameter& row) { return has_alias(row, name); });
}

std::string suggest_key(const std::string& section, const std::string& key) {
  const Rows found = parameters_called(section, key);
  if (!found.empty()) return question(found);
  std::vector<std::string> here, anywhere;
  for (const Parameter& row : parameters()) {
    anywhere.push_back(row.key);
    if (row.section == section) here.push_back(row.key);
  }
  std::string nearest = nearest_name(key, here);
  if (nearest.empty()) nearest = nearest_name(key, anywhere);
  if (nearest.empty()) return "";
  return question(matching_rows(section, [&](const Parameter& row) { return row.key == nearest; }));
}

std::vector<std::string> keys_of(const std::string& section) {
  std::vector<std::string> keys;
  for (const Parameter* row : parameters_of(section)) keys.push_back(row->key);
  return keys;
}

std::string suggest_name(const std::string& name) {
  const std::size_t point = name.find('.');
  const std::string section = point == std::string::npos ? "" : name.substr(0, point);
  const std::string key = point == std::string::npos ? name : name.substr(point + 1);
  const std::string suggestion = suggest_key(section, key);
  if (!suggestion.empty()) return suggestion;
  if (find_section(section)) return "its keys are " + joined(keys_of(section));
  const std::string nearest = nearest_name(name, section_names());
  return nearest.empty() ? "the sections are " + joined(section_names()) : "did you mean " + nearest + "?";
}

Problem unknown_key(const std::string& section, const std::string& key) {
  return {"unknown key " + section + "." + shortened(key), "[" + section + "] has no such key",
          suggest_name(section + "." + key)};
}

Problem unknown_section(const std::string& name, bool is_table) {
  if (is_table) {
    const std::string nearest = nearest_name(name, section_names());
    return {
        "unknown section [" + shortened(name) + "]", "there is no such section",
        nearest.empty() ? "the sections are " + joined(section_names()) : "did you mean [" + nearest + "]?"};
  }
  const std::string nearest = nearest_name(name, {kVersionKey, kTemplateKey});
  return {"unknown key " + shortened(name), "every key belongs to a section",
          nearest.empty() ? suggest_name(name) : "did you mean " + nearest + "?"};
}

}  // namespace lockstep
