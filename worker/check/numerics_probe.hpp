// Whether every rank computes the same bits.
#pragma once

#include <string>
#include <vector>

#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"
#include "worker/ranks/compute.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// A data set of pixels that are all 0, for a workload of `config` where there is no other: images of 3 x 32
/// x 32, in 10 classes, two steps of them.
Dataset blank_dataset(const Config& config);

/// What one rank has computed: the hash of each repetition.
using RankBits = std::vector<std::string>;

/// Names the ranks whose repetitions differ, and those that have other bits than most hosts. `hosts[i].ranks`
/// are places in `bits`; `names`: what to call each rank.
CheckResult judge_bits(const std::vector<CheckedHost>& hosts, const std::vector<RankBits>& bits,
                       const std::vector<std::string>& names);

/// Collective: every rank computes one micro-batch of the workload's model forward and backward, on pixels
/// that are functions of their place, several times; the loss, the statistics and all gradients are compared
/// bit by bit. Throws CollectiveError.
CheckResult check_numerics(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                           const Compute& compute, const Workload& workload);

}  // namespace lockstep
