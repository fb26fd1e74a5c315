#include "worker/check/numerics_probe.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "configs/derive.hpp"
#include "worker/check/fixed_micro_batch.hpp"

namespace lockstep {
namespace {

using nlohmann::json;

constexpr int repetitions_max = 3, repetitions_min = 2;
constexpr double enough_seconds_computing = 4;

struct Probe {
  RankBits bits;
  double seconds = 0;  ///< of the fastest repetition
};

Probe compute_probe(const Compute& compute, const Workload& workload) {
  const FixedMicroBatch micro_batch(compute.device, workload);
  Probe probe;
  const auto begin = Clock::now();
  for (int i = 0; i < repetitions_max; ++i) {
    if (i >= repetitions_min && seconds_since(begin) > enough_seconds_computing) break;
    const auto start = Clock::now();
    probe.bits.push_back(micro_batch.compute().hex());
    const auto seconds = seconds_since(start);
    probe.seconds = i == 0 ? seconds : std::min(probe.seconds, seconds);
  }
  return probe;
}

/// The bits that most hosts have, by their first repetition; "" where no majority has any.
std::string usual_bits(const std::vector<CheckedHost>& hosts, const std::vector<RankBits>& bits) {
  std::map<std::string, std::set<std::size_t>> hosts_with;
  for (std::size_t host = 0; host < hosts.size(); ++host)
    for (const int rank : hosts[host].ranks)
      hosts_with[bits[static_cast<std::size_t>(rank)].front()].insert(host);
  if (hosts_with.size() == 1) return hosts_with.begin()->first;
  std::map<std::string, std::size_t> votes;  // one host: its ranks vote
  for (const auto& [value, with] : hosts_with) votes[value] = with.size();
  auto voters = hosts.size();
  if (hosts.size() == 1) {
    voters = bits.size();
    for (auto& [value, count] : votes)
      count = static_cast<std::size_t>(
          std::ranges::count_if(bits, [&](const RankBits& of_rank) { return of_rank.front() == value; }));
  }
  const auto most = std::ranges::max_element(votes, {}, [](const auto& vote) { return vote.second; });
  return 2 * most->second > voters ? most->first : "";
}

}  // namespace

Dataset blank_dataset(const Config& config) {
  constexpr std::int64_t side = 32, channels = 3, classes = 10;
  Dataset data;
  data.classes = classes;
  data.statistics = {{0.5, 0.5, 0.5}, {0.25, 0.25, 0.25}};
  for (auto* images : {&data.train, &data.test}) {
    images->count = 2 * samples_per_step(config);
    images->height = images->width = side;
    images->channels = channels;
    images->decoded = images->count;
    images->pixels = std::shared_ptr<const std::uint8_t>(
        new std::uint8_t[static_cast<std::size_t>(images->count * side * side * channels)](),
        std::default_delete<const std::uint8_t[]>());
    for (std::int64_t i = 0; i < images->count; ++i) images->labels.push_back(i % classes);
  }
  return data;
}

CheckResult judge_bits(const std::vector<CheckedHost>& hosts, const std::vector<RankBits>& bits,
                       const std::vector<std::string>& names) {
  CheckResult finding{"numerics"};
  std::vector<std::string> unsteady, apart;
  const auto usual = usual_bits(hosts, bits);
  for (std::size_t rank = 0; rank < bits.size(); ++rank) {
    if (std::ranges::any_of(bits[rank], [&](const auto& each) { return each != bits[rank].front(); }))
      unsteady.push_back(names[rank]);
    else if (bits[rank].front() != usual)
      apart.push_back(names[rank]);
  }
  if (!unsteady.empty())
    finding.fail(
        listed(unsteady) +
        " computes other bits from one time to the next (its processor or memory is faulty) leave the "
        "host out with --hosts, and have it tested");
  if (!apart.empty() && !usual.empty())
    finding.fail(
        listed(apart) +
        " computes other bits than most (its processor, memory or libraries are not as theirs) leave "
        "the host out with --hosts, and have it tested");
  if (!apart.empty() && usual.empty())
    finding.fail("the hosts do not agree on the bits of a micro-batch, and none has a majority (" +
                 listed(apart) + ") check again with more hosts");
  return finding;
}

CheckResult check_numerics(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                           const Compute& compute, const Workload& workload) {
  const auto own = compute_probe(compute, workload);
  std::vector<RankBits> bits;
  std::vector<std::string> names;
  json ranks = json::array();
  for (const auto& probe : gather_json(transport, {{"bits", own.bits}, {"ms", own.seconds * 1e3}})) {
    const int rank = static_cast<int>(names.size());
    bits.push_back(probe["bits"].get<RankBits>());
    names.push_back("rank " + std::to_string(rank) + " on " + transport.host_of(rank));
    ranks.push_back({{"rank", rank}, {"host", transport.host_of(rank)}});
    ranks.back().update(probe);
  }
  auto finding = judge_bits(hosts, bits, names);
  finding.summary =
      workload.config.model.name + ", a micro-batch of " + std::to_string(workload.micro_batch_size) +
      " samples, " + std::to_string(own.bits.size()) + " times on each of " + std::to_string(names.size()) +
      " ranks, bit by bit; gradients of " + std::to_string(workload.layout.parameter_count()) + " parameters";
  finding.numbers["ranks"] = ranks;
  return finding;
}

}  // namespace lockstep
