// Whether every rank computes the same bits.
#pragma once

#include <string>
#include <vector>

#include "worker/check/hosts.hpp"
#include "worker/check/report.hpp"
#include "worker/ranks/compute.hpp"
#include "worker/step/workload.hpp"

namespace lockstep {

/// A data set whose pixels are all 0, for a workload of `config` without data: images of 3 x 32 x 32, in 10
/// classes, enough for two steps.
Dataset blank_dataset(const Config& config);

/// What one rank has computed: the hash of each repetition.
using RankBits = std::vector<std::string>;

/// Names the ranks whose repetitions differ, and those that have other bits than most hosts. `hosts[i].ranks`
/// are indices in `bits`; `names`: the name of each rank.
CheckResult judge_bits(const std::vector<CheckedHost>& hosts, const std::vector<RankBits>& bits,
                       const std::vector<std::string>& names);

/// Collective: every rank computes one micro-batch of the workload's model forward and backward, on pixels
/// that depend on their position alone, several times; the loss, the statistics and all gradients are
/// compared bit by bit. Throws CollectiveError.
CheckResult check_numerics(MpiTransport& transport, const std::vector<CheckedHost>& hosts,
                           const Compute& compute, const Workload& workload);

}  // namespace lockstep
