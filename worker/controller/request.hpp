// What the command line of lockstep-worker asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lockstep {

struct Request {
  std::string command_line;            ///< all of it, which must be the same on all ranks
  std::string config;                  ///< the TOML file; empty for an evaluation, and perhaps for a check
  std::vector<std::string> settings;   ///< --set key=value
  std::string output;                  ///< --output, or empty
  std::string run_to_evaluate;         ///< --eval, or empty
  std::string run_to_verify;           ///< --verify, or empty
  std::int64_t segments = 3;           ///< --segments, how many of the run to verify
  std::optional<std::int64_t> choice;  ///< --seed, by which they are chosen
  bool from_start = false;             ///< --from-start: verify the first steps too
  std::string data;                    ///< --data, where the data of that run lie now, or empty
  std::vector<std::string> pack;       ///< --pack DATA OUT, or empty
  bool check = false;                  ///< --check
  bool fresh = false;
};

}  // namespace lockstep
