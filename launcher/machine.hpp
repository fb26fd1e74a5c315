// The machine that the launcher runs on: cores, programs, shared memory, terminal.
#pragma once

#include <optional>
#include <string>

namespace lockstep {

/// Logical CPUs that this process may use, by its affinity mask (as set by `taskset` or Slurm) and the quota
/// of its control groups; at least 1.
int usable_cores();

/// The absolute path of the program `name` in the folder of this program. Throws Error (io) if it does not
/// exist or cannot be executed.
std::string program_beside_this(const std::string& name);

/// Whether /dev/shm has room for Open MPI's shared-memory segments of so many ranks.
bool has_room_to_share(int ranks);

/// The width of the terminal in columns; nothing if standard output is not a terminal.
std::optional<int> terminal_columns();

}  // namespace lockstep
