// Which interfaces are in a network; every machine has the loopback interface.
#include "collectives/network.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "common/error.hpp"

namespace lockstep {
namespace {

std::string refusal_of(const std::string& networks) {
  try {
    interfaces_in(networks);
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::config);
    return error.what();
  }
  return "";
}

TEST(InterfacesInANetwork, AreFoundByTheirAddress) {
  EXPECT_EQ(interfaces_in("127.0.0.0/8"), std::vector<std::string>{"lo"});
  EXPECT_EQ(interfaces_in("127.0.0.1"), std::vector<std::string>{"lo"});
  EXPECT_EQ(interfaces_in("203.0.113.0/24,127.0.0.1/32"), std::vector<std::string>{"lo"});
}

TEST(InterfacesInANetwork, AreAllThatHaveAnAddressInTheNetworkOfEverything) {
  const auto all = interfaces_in("0.0.0.0/0");
  EXPECT_NE(std::ranges::find(all, "lo"), all.end());
}

TEST(InterfacesInANetwork, AreNeededByEveryHost) {
  const auto why = refusal_of("203.0.113.0/24");  // an address reserved for documentation
  EXPECT_NE(why.find("has no address in --network 203.0.113.0/24"), std::string::npos) << why;
  EXPECT_NE(why.find("lo 127.0.0.1"), std::string::npos) << "what the host has: " << why;
}

TEST(InterfacesInANetwork, AreNotLookedForInWhatIsNoNetwork) {
  for (const char* text : {"10.0.0.0/33", "10.0.0.0/", "10.0.0/8", "eth0", "10.0.0.0/8,,127.0.0.1"})
    EXPECT_NE(refusal_of(text).find("is no network"), std::string::npos) << text;
}

TEST(Nccl, KeepsToTheseInterfacesExactlyUnlessSomebodyHasChosenOthers) {
  constexpr const char* variable = "NCCL_SOCKET_IFNAME";
  unsetenv(variable);
  keep_nccl_on({"eth1", "ib0"});
  EXPECT_STREQ(std::getenv(variable), "=eth1,ib0");
  keep_nccl_on({"lo"});
  EXPECT_STREQ(std::getenv(variable), "=eth1,ib0");
  setenv(variable, "^docker0", 1);
  keep_nccl_on({"lo"});
  EXPECT_STREQ(std::getenv(variable), "^docker0");
  unsetenv(variable);
}

}  // namespace
}  // namespace lockstep
