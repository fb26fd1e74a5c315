#include "worker/audit/corruption.hpp"

#include <algorithm>
#include <cstring>

#include "collectives/all_gather.hpp"
#include "common/log.hpp"
#include "common/set_aside.hpp"
#include "worker/ranks/agreement.hpp"

namespace lockstep {
namespace {

/// "rank 2 on n3 and rank 4 on n4"
std::string in_words(const Corruption& corruption, const char* conjunction) {
  std::string words;
  for (std::size_t i = 0; i < corruption.hosts.size(); ++i) {
    if (i > 0) words += i + 1 == corruption.hosts.size() ? conjunction : ", ";
    words += "rank " + std::to_string(corruption.verdict.suspects[i]) + " on " + corruption.hosts[i];
  }
  return words;
}

}  // namespace

std::vector<Result> gather_results(Transport& transport, const std::vector<Hash128>& own) {
  std::vector<Result> results;
  const auto parts = gather_bytes(transport, std::as_bytes(std::span(own)));
  for (int rank = 0; rank < transport.world_size(); ++rank) {
    for (std::size_t at = 0; at < parts[rank].size(); at += sizeof(Hash128)) {
      results.push_back({rank, {}});
      std::memcpy(&results.back().hash, parts[rank].data() + at, sizeof(Hash128));
    }
  }
  return results;
}

bool all_equal(std::span<const Result> results) {
  for (const auto& result : results) {
    if (result.hash != results.front().hash) return false;
  }
  return true;
}

Corruption corruption_of(Transport& transport, std::string where, std::string what, std::int64_t step,
                         Verdict verdict) {
  const auto hosts = gather_texts(transport, host_name());
  Corruption corruption{std::move(where), std::move(what), step, std::move(verdict), {}};
  for (const int rank : corruption.verdict.suspects) corruption.hosts.push_back(hosts[rank]);
  return corruption;
}

Error error_of(const Corruption& corruption) {
  const auto& hosts = corruption.hosts;
  const bool certain = corruption.verdict.certain;
  const bool one_host = std::ranges::all_of(hosts, [&](const auto& host) { return host == hosts[0]; });
  const auto problem =
      certain ? in_words(corruption, " and ") + ": " + corruption.what + " is wrong"
              : in_words(corruption, " or ") + ": " + corruption.what + " is wrong on one of them";
  const auto why =
      corruption.where + (certain ? ", where most results agree on something else"
                                  : ", where they differ and no other rank tells which is right");
  const auto leave_out =
      one_host ? "take " + hosts[0] + " out of the job and have it tested (memory, processor)"
               : std::string("have these hosts tested (memory, processor), or leave them out one by one");
  return {ExitCode::corrupt, problem, why,
          leave_out +
              "; the step was not applied, and the same command on other hosts goes on from the newest "
              "checkpoint"};
}

void set_aside(const Corruption& corruption, const std::string& run) {
  if (!corruption.verdict.certain) return;
  SetAside more;
  for (std::size_t i = 0; i < corruption.hosts.size(); ++i) {
    more.hosts.push_back({corruption.hosts[i], corruption.verdict.suspects[i], corruption.step,
                          corruption.what + " is wrong (" + corruption.where + ")"});
  }
  try {
    add_to_set_aside(run, more);
  } catch (const Error& error) {
    log_warning(error.what());
  }
}

}  // namespace lockstep
