#include "collectives/network.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <sstream>

#include "common/error.hpp"
#include "common/log.hpp"

namespace lockstep {
namespace {

constexpr int address_bits = 32;

struct Network {
  std::uint32_t address = 0, mask = 0;
  bool has(std::uint32_t other) const { return (other & mask) == (address & mask); }
};

std::vector<Network> networks_in(const std::string& list) {
  std::vector<Network> networks;
  std::istringstream words(list);
  for (std::string word; std::getline(words, word, ',');) {
    const auto slash = word.find('/');
    in_addr address{};
    int bits = address_bits;
    bool sound = inet_pton(AF_INET, word.substr(0, slash).c_str(), &address) == 1;
    if (slash != std::string::npos) {
      const auto* const end = word.data() + word.size();
      const auto read = std::from_chars(word.data() + slash + 1, end, bits);
      sound = sound && read.ec == std::errc{} && read.ptr == end && bits >= 0 && bits <= address_bits;
    }
    if (!sound)
      throw Error(ExitCode::config, "--network " + list + " is no network", "\"" + word + "\"",
                  "give its address, such as --network 10.0.0.0/8 (`ip -brief address` shows it)");
    const auto mask = bits == 0 ? 0 : ~std::uint32_t{0} << (address_bits - bits);
    networks.push_back({ntohl(address.s_addr), mask});
  }
  return networks;
}

std::string in_words(std::uint32_t address) {
  char text[INET_ADDRSTRLEN];
  const in_addr in_network_order{htonl(address)};
  return inet_ntop(AF_INET, &in_network_order, text, sizeof text);
}

}  // namespace

std::vector<std::string> interfaces_in(const std::string& networks) {
  const auto wanted = networks_in(networks);
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) != 0) first = nullptr;
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(first, freeifaddrs);
  std::vector<std::string> names;
  std::string all;
  for (const auto* one = first; one; one = one->ifa_next) {
    if (!one->ifa_addr || one->ifa_addr->sa_family != AF_INET) continue;
    const auto address = ntohl(reinterpret_cast<const sockaddr_in*>(one->ifa_addr)->sin_addr.s_addr);
    all += (all.empty() ? "" : ", ") + std::string(one->ifa_name) + " " + in_words(address);
    const bool in_it =
        std::ranges::any_of(wanted, [&](const Network& network) { return network.has(address); });
    if (in_it && std::ranges::find(names, one->ifa_name) == names.end()) names.emplace_back(one->ifa_name);
  }
  if (!names.empty()) return names;
  throw Error(ExitCode::config, host_name() + " has no address in --network " + networks,
              all.empty() ? "it has none at all" : "it has " + all, "give a network that all hosts share");
}

void keep_nccl_on(const std::vector<std::string>& interfaces) {
  std::string names;
  for (const auto& name : interfaces)  // "=": no other that begins so
    names += (names.empty() ? "=" : ",") + name;
  setenv("NCCL_SOCKET_IFNAME", names.c_str(), /*overwrite=*/0);
}

}  // namespace lockstep
