// Where the ranks run and on what: compared before anything is computed, and shown before the first step.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "collectives/mpi_transport.hpp"
#include "worker/ranks/compute.hpp"

namespace lockstep {

/// Where one rank runs.
struct RankPlace {
  std::string host;
  std::string device;          ///< its class: "cpu AVX2"
  std::string gpu;             ///< its address on the PCI bus, "0000:18:00.0"; empty on the CPU
  std::string visible_gpus;    ///< $CUDA_VISIBLE_DEVICES; empty where it is not set
  std::vector<int> cores;      ///< the logical CPUs that it may use
  double clock_ahead_seconds;  ///< of rank 0's; the messages' time is in it

  bool operator==(const RankPlace&) const = default;
};

/// Collective: the place of every rank, in rank order.
std::vector<RankPlace> gather_places(MpiTransport& transport, const Compute& compute);

/// A line for each host: "n1: ranks 0-3, cores 0-3 | cpu AVX2".
std::vector<std::string> lines_of(std::span<const RankPlace> places);
/// The same with an object for every rank.
nlohmann::ordered_json json_of(std::span<const RankPlace> places);
/// What may slow the run or confuse its reader: clocks apart, more ranks on a host than cores.
std::vector<std::string> warnings_about(std::span<const RankPlace> places);

/// "0-3,8" for cores 0, 1, 2, 3 and 8.
std::string ranges_in_words(std::span<const int> ascending);

}  // namespace lockstep
