// Hosts and their ranks, as options and hostfiles name them.
#include "launcher/hosts.hpp"

#include <gtest/gtest.h>

#include "tests/unit/refusal.hpp"

namespace lockstep {
namespace {

using Hosts = std::vector<Host>;

TEST(Hosts, HaveOneRankWhereNoNumberStands) { EXPECT_EQ(parse_hosts("a:8,b"), (Hosts{{"a", 8}, {"b", 1}})); }

TEST(Hosts, AreRefusedWithoutNameOrNumberOrTwice) {
  expect_in(refusal([] { parse_hosts("a:8,:4"); }), "without a name");
  expect_in(refusal([] { parse_hosts("a:many"); }), "write a:8");
  expect_in(refusal([] { parse_hosts("a:0"); }), "from 1");
  expect_in(refusal([] { parse_hosts("a:8,a:8"); }), "name it once: a:16");
  expect_in(refusal([] { parse_hosts(","); }), "without a name");
}

TEST(Hosts, AreNamesThatNothingReadsOtherwise) {
  EXPECT_EQ(parse_hosts("node-1:2,node_1.lab:2,10.0.0.7"),
            (Hosts{{"node-1", 2}, {"node_1.lab", 2}, {"10.0.0.7", 1}}));
  expect_in(refusal([] { parse_hosts("a:1, b:1"); }), "without blanks");
  expect_in(refusal([] { parse_hosts("-oProxyCommand=touch pwned:2"); }), "an option of the remote shell");
  expect_in(refusal([] { parse_hosts("[::1]:2"); }), "no IPv6");
  expect_in(refusal([] { parse_hosts("fe80::1:2"); }), "no IPv6");
  expect_in(refusal([] { parse_hosts("node[1-4]:2"); }), "write each host out");
  expect_in(refusal([] { parse_hosts("me@node1:2"); }), "User");
  for (const char* name : {"a;b", "a$b", "a\tb", "a\nb", "b\xc3\xbcro", "..", "a/b", "a\x1b[2J"})
    expect_in(refusal([&] { parse_hosts(name); }), "is no name of a host");
  expect_in(refusal([] { parse_hostfile("a slots=2\n-v slots=2\n", "rack"); }), "rack:2: \"-v\"");
}

TEST(Hosts, HaveNoMoreRanksThanCanBeCounted) {
  expect_in(refusal([] { parse_hosts("a:4294967298"); }), "from 1");
  expect_in(refusal([] { parse_hosts("a:1048576,b:1"); }), "more than 1048576 ranks in all");
  expect_in(refusal([] { parse_hostfile("a slots=2 max_slots=many\n", "rack"); }), "\"many\"");
}

TEST(Hostfile, KnowsTheFormsOfOpenMpi) {
  EXPECT_EQ(parse_hostfile("# the rack\na slots=8 max_slots=8\n\nb:2 # two\nc\nc\n", "rack"),
            (Hosts{{"a", 8}, {"b", 2}, {"c", 2}}));
}

TEST(Hostfile, IsRefusedWithPathAndLine) {
  expect_in(refusal([] { parse_hostfile("a\nb cpus=3\n", "rack"); }), "rack:2: \"cpus=3\"");
  expect_in(refusal([] { parse_hostfile("a slots=2\na slots=2\n", "rack"); }),
            "rack:2: the host a is named twice");
  expect_in(refusal([] { parse_hostfile("# nobody\n", "rack"); }), "rack names no host");
}

TEST(Counts, OfSlurmMayBeShortened) {
  EXPECT_EQ(parse_counts("2(x3),1"), (std::vector<int>{2, 2, 2, 1}));
  EXPECT_EQ(parse_counts("8"), std::vector<int>{8});
  EXPECT_TRUE(parse_counts("").empty());
  for (const char* text : {"2(x", "-2", "2(x-1)", "1(x1048576),1", "2000000"})
    expect_in(refusal([&] { parse_counts(text); }), "SLURM_*");
}

TEST(Filled, HostsAreFullBeforeTheNextIsTaken) {
  const Hosts hosts = {{"a", 2}, {"b", 2}, {"c", 2}};
  EXPECT_EQ(filled(hosts, 3), (Hosts{{"a", 2}, {"b", 1}}));
  EXPECT_EQ(filled(hosts, 6), hosts);
}

}  // namespace
}  // namespace lockstep
