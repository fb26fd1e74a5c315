#include "worker/check/connectivity.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>

#include "collectives/broadcast.hpp"
#include "common/clock.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr double slow_share = 1.0 / 3, broken_share = 1.0 / 10;
constexpr double slow_latency_ratio = 10, slow_latency_seconds = 1e-3;
constexpr double clock_tolerance_seconds = 1;

constexpr std::int64_t smallest_block = 16 << 10, largest_block = 32 << 20;
constexpr double enough_seconds = 0.04, enough_round_trips = 4;  // a block that took so long says enough
constexpr int block_tries = 3, tournaments_max = 3;
constexpr double pinging_seconds = 0.02;
constexpr int clock_pings = 5;
constexpr auto deadline_of_a_pair = std::chrono::seconds(10);
constexpr auto deadline_of_all =
    std::chrono::seconds(25);  // so that the pair that hangs is the first to speak

void send(Transport& transport, int peer, const void* data, std::int64_t bytes) {
  transport.exchange(std::vector<Outgoing>{{peer, data, static_cast<std::size_t>(bytes)}}, {});
}

void receive(Transport& transport, int peer, void* data, std::int64_t bytes) {
  transport.exchange({}, std::vector<Incoming>{{peer, data, static_cast<std::size_t>(bytes)}});
}

/// The shortest round trip of a byte; the other side calls answer_pings().
double ping(Transport& transport, int peer) {
  auto shortest = std::numeric_limits<double>::infinity();
  const auto begin = Clock::now();
  for (char go_on = 1; go_on != 0;) {
    const auto start = Clock::now();
    if (seconds_since(begin) > pinging_seconds) go_on = 0;
    send(transport, peer, &go_on, 1);
    char answer = 0;
    receive(transport, peer, &answer, 1);
    shortest = std::min(shortest, seconds_since(start));
  }
  return shortest;
}

void answer_pings(Transport& transport, int peer) {
  for (char go_on = 1; go_on != 0;) {
    receive(transport, peer, &go_on, 1);
    send(transport, peer, &go_on, 1);
  }
}

/// How long a block takes, at most a few times: where a busy host did not answer at once, that is not the
/// link.
double seconds_of_block(Transport& transport, int peer, const std::vector<char>& buffer, std::int64_t bytes,
                        double enough) {
  auto shortest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < block_tries && shortest > enough; ++i) {
    const auto start = Clock::now();
    send(transport, peer, &bytes, sizeof bytes);
    send(transport, peer, buffer.data(), bytes);
    char arrived = 0;
    receive(transport, peer, &arrived, 1);
    shortest = std::min(shortest, seconds_since(start));
  }
  return shortest;
}

/// Bytes per second of the last of ever larger blocks; the other side calls take_blocks().
double send_blocks(Transport& transport, int peer, const std::vector<char>& buffer, double round_trip) {
  const auto enough = std::max(enough_seconds, enough_round_trips * round_trip);
  for (std::int64_t bytes = smallest_block;; bytes *= 2) {
    const auto seconds = seconds_of_block(transport, peer, buffer, bytes, enough);
    if (seconds <= enough && bytes < largest_block) continue;
    const std::int64_t no_more = 0;
    send(transport, peer, &no_more, sizeof no_more);
    return static_cast<double>(bytes) / seconds;
  }
}

void take_blocks(Transport& transport, int peer, std::vector<char>& buffer) {
  const char arrived = 1;
  for (;;) {
    std::int64_t bytes = 0;
    receive(transport, peer, &bytes, sizeof bytes);
    if (bytes == 0) return;
    receive(transport, peer, buffer.data(), bytes);
    send(transport, peer, &arrived, 1);
  }
}

/// What host `own` sends to `peer`; both call it for one another.
Link measure(Transport& transport, const std::vector<CheckedHost>& hosts, int own, int peer,
             std::vector<char>& buffer) {
  const int rank = hosts[static_cast<std::size_t>(peer)].ranks[0];
  Link link{own, peer};
  for (const bool sends : {own<peer, own> peer}) {
    if (sends) {
      link.round_trip_seconds = ping(transport, rank);
      link.bytes_per_second = send_blocks(transport, rank, buffer, link.round_trip_seconds);
    } else {
      answer_pings(transport, rank);
      take_blocks(transport, rank, buffer);
    }
  }
  return link;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

std::string speed(double bytes_per_second) {
  char text[32];
  std::snprintf(text, sizeof text, bytes_per_second < 1e8 ? "%.1f MB/s" : "%.0f MB/s",
                bytes_per_second / 1e6);
  return text;
}

std::string milliseconds(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f ms", seconds * 1e3);
  return text;
}

std::int64_t nanoseconds_now() {
  return std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// Seconds by which the peer's clock is ahead of this one's, at the fastest of a few answers.
double clock_offset(Transport& transport, int peer) {
  double offset = 0, shortest = std::numeric_limits<double>::infinity();
  for (int i = 0; i < clock_pings; ++i) {
    const char ask = 1;
    std::int64_t theirs = 0;
    const auto before = nanoseconds_now();
    send(transport, peer, &ask, 1);
    receive(transport, peer, &theirs, sizeof theirs);
    const auto took = static_cast<double>(nanoseconds_now() - before);
    if (took >= shortest) continue;
    shortest = took;
    offset = (static_cast<double>(theirs - before) - took / 2) * 1e-9;
  }
  return offset;
}

void tell_clock(Transport& transport, int peer) {
  for (int i = 0; i < clock_pings; ++i) {
    char ask = 0;
    receive(transport, peer, &ask, 1);
    const auto now = nanoseconds_now();
    send(transport, peer, &now, sizeof now);
  }
}

/// All links, in one order on all ranks.
std::vector<Link> hold_tournament(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                                  std::vector<char>& buffer) {
  const int count = static_cast<int>(hosts.size()), own = host_spoken_for(hosts, transport.rank());
  json measured = json::array();
  for (int round = 0; round < tournament_rounds(count); ++round) {
    const int peer = own < 0 ? -1 : partner_in_round(own, round, count);
    if (peer >= 0) {
      transport.set_deadline(deadline_of_a_pair);
      const auto link =
          say_error_of_this_rank(transport, [&] { return measure(transport, hosts, own, peer, buffer); });
      measured.push_back({link.from, link.to, link.bytes_per_second, link.round_trip_seconds});
    }
    transport.set_deadline(deadline_of_all);
    barrier(transport);
  }
  std::vector<Link> links;
  for (const auto& of_rank : gather_json(transport, measured))
    for (const auto& link : of_rank) links.push_back({link[0], link[1], link[2], link[3]});
  return links;
}

std::vector<Link> best_of(const std::vector<Link>& before, std::vector<Link> links) {
  for (std::size_t i = 0; i < before.size(); ++i) {
    links[i].bytes_per_second = std::max(links[i].bytes_per_second, before[i].bytes_per_second);
    links[i].round_trip_seconds = std::min(links[i].round_trip_seconds, before[i].round_trip_seconds);
  }
  return links;
}

CheckResult skipped_on_one_host(const char* check) {
  return {check, "there is one host only", {}, CheckVerdict::skipped};
}

}  // namespace

int tournament_rounds(int hosts) { return hosts + hosts % 2 - 1; }

int partner_in_round(int host, int round, int hosts) {
  const int rounds = tournament_rounds(hosts);  // the circle method: host `rounds` stays, the others turn
  const int partner = host == rounds  ? round
                      : host == round ? rounds
                                      : ((2 * round - host) % rounds + rounds) % rounds;
  return partner < hosts ? partner : -1;
}

CheckResult judge_links(const std::vector<std::string>& hosts, const std::vector<Link>& links) {
  const auto count = hosts.size();
  std::vector<std::vector<double>> sent(count, std::vector<double>(count));
  std::vector<double> latencies;
  CheckResult finding{"network"};
  auto& list = finding.numbers["links"] = json::array();
  for (const auto& link : links) {
    sent[static_cast<std::size_t>(link.from)][static_cast<std::size_t>(link.to)] = link.bytes_per_second;
    latencies.push_back(link.round_trip_seconds);
    list.push_back({{"from", hosts[static_cast<std::size_t>(link.from)]},
                    {"to", hosts[static_cast<std::size_t>(link.to)]},
                    {"bytes_per_second", link.bytes_per_second},
                    {"round_trip_ms", link.round_trip_seconds * 1e3}});
  }
  const auto of_pair = [&](std::size_t a, std::size_t b) { return std::min(sent[a][b], sent[b][a]); };
  std::vector<double> best(count), pairs;
  for (std::size_t a = 0; a < count; ++a) {
    for (std::size_t b = 0; b < count; ++b) {
      if (a != b) best[a] = std::max(best[a], of_pair(a, b));
      if (a < b) pairs.push_back(of_pair(a, b));
    }
  }
  const auto reference = median(best), usual_latency = median(latencies);
  finding.numbers["reference_bytes_per_second"] = reference;
  finding.summary = std::to_string(pairs.size()) + " pairs of hosts, " +
                    speed(*std::ranges::min_element(pairs)) + " at least, " + speed(median(pairs)) +
                    " in the middle, round trip " + milliseconds(usual_latency);
  const auto name = [&](const std::string& what, double bytes_per_second) {
    const auto text = what + " (" + speed(bytes_per_second) + ", where " + speed(reference) +
                      " is usual here) every step waits for it: mend it, or leave it out with --hosts";
    bytes_per_second < broken_share* reference ? finding.fail(text) : finding.warn(text);
  };
  const auto all_slow = [&](std::size_t host) { return count > 2 && best[host] < slow_share * reference; };
  for (std::size_t host = 0; host < count; ++host)
    if (all_slow(host)) name("the network of " + hosts[host] + " is slow to all others", best[host]);
  for (const auto& link : links) {
    const auto from = static_cast<std::size_t>(link.from), to = static_cast<std::size_t>(link.to);
    const auto what = "the link from " + hosts[from] + " to " + hosts[to] + " is slow";
    if (all_slow(from) || all_slow(to)) continue;
    if (link.bytes_per_second < slow_share * reference) name(what, link.bytes_per_second);
    if (link.round_trip_seconds > std::max(slow_latency_seconds, slow_latency_ratio * usual_latency))
      finding.warn(what + " to answer (a round trip takes " + milliseconds(link.round_trip_seconds) +
                   ", where " + milliseconds(usual_latency) + " is usual here) look at its cable and switch");
  }
  return finding;
}

CheckResult check_network(MpiTransport& transport, const std::vector<CheckedHost>& hosts) {
  if (hosts.size() < 2) return skipped_on_one_host("network");
  std::vector<std::string> names;
  for (const auto& host : hosts) names.push_back(host.name);
  std::vector<char> buffer(host_spoken_for(hosts, transport.rank()) < 0 ? 0 : largest_block, 1);
  std::vector<Link> links;
  CheckResult finding;
  for (int i = 0; i < tournaments_max; ++i) {  // what looks slow is measured again, and the best counts
    links = best_of(links, hold_tournament(transport, hosts, buffer));
    finding = judge_links(names, links);
    if (finding.verdict == CheckVerdict::ok) break;
  }
  return finding;
}

CheckResult check_clocks(MpiTransport& transport, const std::vector<CheckedHost>& hosts) {
  if (hosts.size() < 2) return skipped_on_one_host("clocks");
  json measured = json::array();
  for (const auto& host : std::span(hosts).subspan(1)) {
    if (transport.rank() == host.ranks[0]) tell_clock(transport, 0);
    if (transport.rank() == 0) measured.push_back(clock_offset(transport, host.ranks[0]));
  }
  const auto offsets = gather_json(transport, measured).front();
  CheckResult finding{"clocks"};
  double largest = 0;
  auto& list = finding.numbers["hosts"] = json::array();
  for (std::size_t i = 1; i < hosts.size(); ++i) {
    const auto offset = offsets[i - 1].get<double>();
    largest = std::max(largest, std::abs(offset));
    list.push_back({{"host", hosts[i].name}, {"ahead_ms", offset * 1e3}});
    if (std::abs(offset) > clock_tolerance_seconds)
      finding.warn("the clock of " + hosts[i].name + " is wrong (" + milliseconds(offset) + " ahead of " +
                   hosts[0].name + "'s) set it, for example with chrony: logs do not line up, and Slurm's " +
                   "munge refuses what is 5 minutes off");
  }
  finding.summary = "at most " + milliseconds(largest) + " from that of " + hosts[0].name;
  return finding;
}

}  // namespace lockstep
