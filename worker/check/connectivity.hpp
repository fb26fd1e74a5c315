// Latency and bandwidth between every pair of hosts, and the difference of their clocks.
#pragma once

#include <string>
#include <vector>

#include "collectives/mpi_transport.hpp"
#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"

namespace lockstep {

/// The link from one host to another.
struct Link {
  int from = 0, to = 0;           ///< indices in the list of hosts
  double bytes_per_second = 0;    ///< of the largest block that was sent
  double round_trip_seconds = 0;  ///< of one byte, the shortest of several
};

/// The partner of `host` in `round` of a round-robin tournament of `hosts` hosts (circle method), in which
/// each meets every other once in tournament_rounds(hosts) rounds; -1: it has none in this round.
int partner_in_round(int host, int round, int hosts);
int tournament_rounds(int hosts);

/// Names slow links and hosts. A link is slow below a third of the reference, and it fails below a tenth: the
/// reference is the median over the hosts of what each reaches with its best peer in the slower direction, so
/// that one slow host cannot lower it. A host whose links are all slow is named instead of its links.
/// Latency: above ten times the median and 1 ms.
CheckResult judge_links(const std::vector<std::string>& hosts, const std::vector<Link>& links);

/// Collective: measures all links in the rounds of a tournament, so that no host takes part in two at once;
/// at most about half a second a round. Where a link looks slow, all are measured up to twice more, and the
/// best counts. Throws CollectiveError that names a peer that does not answer.
CheckResult check_network(MpiTransport& transport, const std::vector<CheckedHost>& hosts);

/// Collective: each host's clock against that of the first. Throws CollectiveError.
CheckResult check_clocks(MpiTransport& transport, const std::vector<CheckedHost>& hosts);

}  // namespace lockstep
