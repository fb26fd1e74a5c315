// The hosts that ranks run on, and the number of ranks on each. Pure functions, independent of the machine.
#pragma once

#include <span>
#include <string>
#include <vector>

namespace lockstep {

struct Host {
  std::string name;
  int slots = 1;  ///< how many ranks it takes
  bool operator==(const Host&) const = default;
};

/// Parses --hosts, "a:8,b:8"; a name alone takes one rank. Throws Error (config) for a missing or duplicate
/// name, for a name that mpirun or the remote shell would misinterpret (blanks, options, brackets, users,
/// IPv6), and for counts below 1 or above 2^20 in total.
std::vector<Host> parse_hosts(const std::string& list);

/// Parses a hostfile in Open MPI's format: lines `a slots=8`, `a:8` or `a`, and # comments. A name alone
/// counts as one rank for each line that has it. `path` is for messages. Throws Error (config) as
/// parse_hosts() does, with path and line.
std::vector<Host> parse_hostfile(const std::string& text, const std::string& path);

/// Expands Slurm's short form of one number per node: "2(x3),1" is 2, 2, 2, 1. Throws Error (config) for
/// anything else.
std::vector<int> parse_counts(const std::string& text);

int total_slots(std::span<const Host> hosts);

/// Distributes `ranks` ranks: each host is filled before the next; `slots` is then the number of ranks on
/// it. `ranks` is at most total_slots().
std::vector<Host> filled(std::span<const Host> hosts, int ranks);

/// "a:8,b:8".
std::string in_words(std::span<const Host> hosts);

}  // namespace lockstep
