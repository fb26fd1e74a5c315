#include "worker/ranks/rank_map.hpp"

#include <sched.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <set>

#include "collectives/gpu.hpp"
#include "common/log.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr double clocks_apart_seconds = 5;

std::vector<int> own_cores() {
  std::vector<int> cores;
  // The kernel refuses a mask smaller than its own.
  for (int most = 1024; most <= 1 << 16 && cores.empty(); most *= 2) {
    std::vector<cpu_set_t> mask(most / CPU_SETSIZE);
    const auto bytes = mask.size() * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, mask.data()) != 0) continue;
    for (int core = 0; core < most; ++core) {
      if (CPU_ISSET_S(core, bytes, mask.data())) cores.push_back(core);
    }
  }
  return cores;
}

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

std::string counted(const std::string& noun, std::span<const int> numbers) {
  return noun + (numbers.size() == 1 ? " " : "s ") + ranges_in_words(numbers);
}

/// The ranks of each host, hosts in the order of their first rank.
std::vector<std::vector<int>> ranks_by_host(std::span<const RankPlace> places) {
  std::vector<std::vector<int>> hosts;
  std::map<std::string, std::size_t> index;
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const auto [found, is_new] = index.try_emplace(places[rank].host, hosts.size());
    if (is_new) hosts.emplace_back();
    hosts[found->second].push_back(static_cast<int>(rank));
  }
  return hosts;
}

std::vector<int> cores_of(std::span<const RankPlace> places, std::span<const int> ranks) {
  std::set<int> cores;
  for (const int rank : ranks) cores.insert(places[rank].cores.begin(), places[rank].cores.end());
  return {cores.begin(), cores.end()};
}

/// The values of a field of these ranks, each once, in rank order.
std::string each_of(std::span<const RankPlace> places, std::span<const int> ranks,
                    std::string RankPlace::*field) {
  std::string text, last;
  for (const int rank : ranks) {
    const auto& value = places[rank].*field;
    if (value.empty() || value == last) continue;
    text += (text.empty() ? "" : "; ") + value;
    last = value;
  }
  return text;
}

std::string line_of(std::span<const RankPlace> places, std::span<const int> ranks) {
  const auto& first = places[ranks[0]];
  auto line = first.host + ": " + counted("rank", ranks);
  if (const auto cores = cores_of(places, ranks); !cores.empty()) line += ", " + counted("core", cores);
  line += " | " + first.device;
  if (const auto gpus = each_of(places, ranks, &RankPlace::gpu); !gpus.empty()) line += " at " + gpus;
  const auto visible = each_of(places, ranks, &RankPlace::visible_gpus);
  return visible.empty() ? line : line + " (CUDA_VISIBLE_DEVICES: " + visible + ")";
}

json to_text(const RankPlace& place) {
  return {place.host, place.device, place.gpu, place.visible_gpus, place.cores};
}

}  // namespace

std::string ranges_in_words(std::span<const int> ascending) {
  std::string text;
  for (std::size_t i = 0; i < ascending.size();) {
    auto end = i + 1;
    while (end < ascending.size() && ascending[end] == ascending[end - 1] + 1) ++end;
    if (!text.empty()) text += ",";
    text += std::to_string(ascending[i]);
    if (end - i > 1) text.append("-").append(std::to_string(ascending[end - 1]));
    i = end;
  }
  return text;
}

std::vector<RankPlace> gather_places(MpiTransport& transport, const Compute& compute) {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const RankPlace own{host_name(),
                      compute.device_class,
                      compute.between_gpus ? gpu_address(compute.gpu_index) : "",
                      visible ? visible : "",
                      own_cores(),
                      0};
  const auto texts =
      gather_texts(transport, to_text(own).dump(-1, ' ', false, json::error_handler_t::replace));
  // All ranks come out of the gathering above at nearly the same moment, and look at their clocks.
  const auto clocks = gather_texts(transport, std::to_string(seconds_since_1970()));
  std::vector<RankPlace> places;
  for (std::size_t rank = 0; rank < texts.size(); ++rank) {
    const auto text = json::parse(texts[rank]);
    places.push_back({text[0], text[1], text[2], text[3], text[4].get<std::vector<int>>(),
                      std::stod(clocks[rank]) - std::stod(clocks[0])});
  }
  return places;
}

std::vector<std::string> lines_of(std::span<const RankPlace> places) {
  std::vector<std::string> lines;
  for (const auto& ranks : ranks_by_host(places)) lines.push_back(line_of(places, ranks));
  return lines;
}

nlohmann::ordered_json json_of(std::span<const RankPlace> places) {
  auto list = nlohmann::ordered_json::array();
  for (std::size_t rank = 0; rank < places.size(); ++rank) {
    const auto& place = places[rank];
    list.push_back({{"rank", rank},
                    {"host", place.host},
                    {"device", place.device},
                    {"gpu", place.gpu},
                    {"cuda_visible_devices", place.visible_gpus},
                    {"cores", ranges_in_words(place.cores)}});
  }
  return list;
}

std::vector<std::string> warnings_about(std::span<const RankPlace> places) {
  std::vector<std::string> doubts;
  for (const auto& ranks : ranks_by_host(places)) {
    const auto& place = places[ranks[0]];
    const auto cores = cores_of(places, ranks).size();
    if (cores > 0 && ranks.size() > cores) {
      doubts.push_back(place.host + " has " + std::to_string(ranks.size()) + " ranks on " +
                       std::to_string(cores) + " cores (they take turns, which is slow) start " +
                       std::to_string(cores) + " there, or give the job more cores");
    }
    if (std::abs(place.clock_ahead_seconds) > clocks_apart_seconds) {
      const auto seconds = std::to_string(std::lround(std::abs(place.clock_ahead_seconds)));
      doubts.push_back("the clock of " + place.host + " is " + seconds + " s " +
                       (place.clock_ahead_seconds > 0 ? "ahead of" : "behind") + " that of " +
                       places[0].host +
                       " (the result does not depend on it, but the times in logs and files do) set it, "
                       "for example with chrony");
    }
  }
  return doubts;
}

}  // namespace lockstep
