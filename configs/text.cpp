#include "configs/text.hpp"

#include <nlohmann/json.hpp>
#include <sstream>

namespace lockstep {

std::string joined(const std::vector<std::string>& words, const std::string& between) {
  std::string text;
  for (std::size_t i = 0; i < words.size(); ++i) text += (i == 0 ? "" : between) + words[i];
  return text;
}

bool is_utf8(const std::string& text) {
  try {
    nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

std::string on_one_line(std::string text) {
  const bool utf8 = is_utf8(text);
  for (char& c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || (byte > 0x7f && !utf8)) c = '?';
  }
  return text;
}

std::string wrapped(const std::string& text, const std::string& first, const std::string& rest,
                    std::size_t columns) {
  std::istringstream words(text);
  std::string result, line = first;
  bool begins = true;
  for (std::string word; words >> word; begins = false) {
    if (!begins && line.size() + 1 + word.size() > columns) {
      result += line + "\n";
      line = rest;
      begins = true;
    }
    line += (begins ? "" : " ") + word;
  }
  return result + line + "\n";
}

std::string shortened(const std::string& text, std::size_t longest) {
  if (text.size() <= longest) return text;
  const auto continues = [&](std::size_t i) { return (static_cast<unsigned char>(text[i]) & 0xc0) == 0x80; };
  std::size_t end = longest - 3;
  while (end > 0 && continues(end)) --end;
  return text.substr(0, end) + "...";
}

}  // namespace lockstep
