#include "launcher/hosts.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <numeric>
#include <optional>
#include <sstream>

#include "common/error.hpp"

namespace lockstep {
namespace {

constexpr int most_slots = 1 << 20;  // on all hosts together

/// For messages: replaces control characters with '?'.
std::string quoted(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return c < ' ' || c == 0x7f; }, '?');
  return "\"" + text + "\"";
}

std::optional<int> whole_number(const std::string& text) {
  int number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

/// Parses `text`, the rank count of the host `name`; `place` says where it was given.
int slots_in(const std::string& text, const std::string& name, const std::string& place) {
  const auto slots = whole_number(text);
  if (slots && *slots >= 1 && *slots <= most_slots) return *slots;
  throw Error(ExitCode::config, place + ": " + quoted(text) + " is no number of ranks for " + name,
              "it is a whole number from 1 to " + std::to_string(most_slots),
              "write " + name + ":8 for 8 ranks on it");
}

/// Refuses names that mpirun or the remote shell would misinterpret or silently wait for.
void require_host_name(const std::string& name, const std::string& place) {
  const auto refuse = [&](const std::string& why, const std::string& suggestion) {
    throw Error(ExitCode::config, place + ": " + quoted(name) + " is no name of a host", why, suggestion);
  };
  if (name.front() == '-')
    refuse("it would be an option of the remote shell", "give options of ssh in ~/.ssh/config");
  if (name.find_first_of("[]{}*?") != std::string::npos && name.find(':') == std::string::npos)
    refuse("lists in brackets are not expanded", "write each host out: a:8,b:8");
  if (name.find(':') != std::string::npos)
    refuse("Open MPI takes no IPv6 addresses", "give the host's name or its IPv4 address");
  if (name.find('@') != std::string::npos)
    refuse("a user does not belong here", "write `User` into ~/.ssh/config");
  const auto known = [](unsigned char c) { return std::isalnum(c) || c == '-' || c == '_' || c == '.'; };
  if (!std::ranges::all_of(name, known) || name.front() == '.')
    refuse("names have letters, digits, '-', '_' and '.'", "write hosts as a:8,b:8, without blanks");
}

/// Parses "a:8" or "a".
Host host_in(const std::string& word, const std::string& place) {
  const auto colon = word.rfind(':');
  const auto name = word.substr(0, colon);
  if (name.empty()) {
    throw Error(ExitCode::config, place + ": a host without a name", quoted(word), "write hosts as a:8,b:8");
  }
  require_host_name(name, place);
  if (colon == std::string::npos) return {name};
  return {name, slots_in(word.substr(colon + 1), name, place)};
}

void add(std::vector<Host>& hosts, const Host& host, bool counted, const std::string& place) {
  const auto same = std::ranges::find(hosts, host.name, &Host::name);
  if (same == hosts.end()) {
    hosts.push_back(host);
  } else if (!counted) {
    ++same->slots;
  } else {
    throw Error(ExitCode::config, place + ": the host " + host.name + " is named twice",
                "it would be unclear how many ranks it takes",
                "name it once: " + host.name + ":" + std::to_string(same->slots + host.slots));
  }
  if (total_slots(hosts) <= most_slots) return;
  throw Error(ExitCode::config, place + ": more than " + std::to_string(most_slots) + " ranks in all",
              "with those of " + host.name, "lower the numbers behind the hosts' names");
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) words.push_back(word);
  return words;
}

}  // namespace

std::vector<Host> parse_hosts(const std::string& list) {
  std::vector<Host> hosts;
  for (const auto& word : split(list, ',')) add(hosts, host_in(word, "--hosts"), true, "--hosts");
  if (hosts.empty()) throw Error(ExitCode::config, "--hosts names no host", "", "write hosts as a:8,b:8");
  return hosts;
}

std::vector<Host> parse_hostfile(const std::string& text, const std::string& path) {
  std::vector<Host> hosts;
  int number = 0;
  for (const auto& line : split(text, '\n')) {
    const auto place = path + ":" + std::to_string(++number);
    std::istringstream words(line.substr(0, line.find('#')));
    std::string word;
    if (!(words >> word)) continue;
    auto host = host_in(word, place);
    bool counted = word.find(':') != std::string::npos;
    while (words >> word) {
      if (word.starts_with("max_slots=") || word.starts_with("max-slots=")) {
        slots_in(word.substr(10), host.name, place);
        continue;
      }
      if (!word.starts_with("slots=")) {
        throw Error(ExitCode::config, place + ": " + quoted(word) + " is not known in a hostfile",
                    "a line names a host and its ranks", "write " + host.name + " slots=8");
      }
      host.slots = slots_in(word.substr(6), host.name, place);
      counted = true;
    }
    add(hosts, host, counted, place);
  }
  if (hosts.empty())
    throw Error(ExitCode::config, path + " names no host", "", "write lines such as `a slots=8`");
  return hosts;
}

std::vector<int> parse_counts(const std::string& text) {
  std::vector<int> counts;
  for (auto word : split(text, ',')) {
    std::optional<int> times = 1;
    if (const auto bracket = word.find("(x"); bracket != std::string::npos && word.back() == ')') {
      times = whole_number(word.substr(bracket + 2, word.size() - bracket - 3));
      word.resize(bracket);
    }
    const auto count = whole_number(word);
    if (!count || *count < 0 || *count > most_slots || !times || *times < 0 ||
        *times > most_slots - std::ssize(counts)) {
      throw Error(ExitCode::config, "\"" + text + "\" is no list of numbers in Slurm's form",
                  "such as 2(x3),1", "check the variables SLURM_* of this shell");
    }
    counts.insert(counts.end(), static_cast<std::size_t>(*times), *count);
  }
  return counts;
}

int total_slots(std::span<const Host> hosts) {
  return std::accumulate(hosts.begin(), hosts.end(), 0,
                         [](int sum, const Host& host) { return sum + host.slots; });
}

std::vector<Host> filled(std::span<const Host> hosts, int ranks) {
  std::vector<Host> used;
  for (const auto& host : hosts) {
    if (ranks <= 0) break;
    used.push_back({host.name, std::min(host.slots, ranks)});
    ranks -= host.slots;
  }
  return used;
}

std::string in_words(std::span<const Host> hosts) {
  std::string text;
  for (const auto& host : hosts)
    text += (text.empty() ? "" : ",") + host.name + ":" + std::to_string(host.slots);
  return text;
}

}  // namespace lockstep
