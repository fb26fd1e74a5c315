// The hosts that ranks run on, and how many ranks each takes. Pure functions: nothing here looks at the
// machine.
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

/// Of --hosts: "a:8,b:8"; a name alone takes one rank. Throws Error (config) for a host without a name or
/// named twice, for a name that mpirun or the remote shell would read otherwise (blanks, options, brackets,
/// users, IPv6), and for counts below 1 or above 2^20 in all.
std::vector<Host> parse_hosts(const std::string& list);

/// Of a hostfile in Open MPI's form: lines of `a slots=8`, `a:8` or `a`, and # comments. A name alone counts
/// one rank for each line that has it. `path` is for messages. Throws Error (config) like parse_hosts(), with
/// path and line.
std::vector<Host> parse_hostfile(const std::string& text, const std::string& path);

/// Slurm's short form of a number for each node: "2(x3),1" is 2, 2, 2, 1. Throws Error (config) for anything
/// else.
std::vector<int> parse_counts(const std::string& text);

int total_slots(std::span<const Host> hosts);

/// Where `ranks` ranks go: the first hosts, as full as they may be; `slots` says how many each gets.
/// `ranks` is at most total_slots().
std::vector<Host> filled(std::span<const Host> hosts, int ranks);

/// "a:8,b:8".
std::string in_words(std::span<const Host> hosts);

}  // namespace lockstep
