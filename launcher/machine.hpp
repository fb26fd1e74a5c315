// What the launcher asks the machine it runs on: cores, programs, the terminal.
#pragma once

#include <optional>
#include <string>

namespace lockstep {

/// Logical CPUs this process may run on (its affinity mask, so `taskset` and Slurm's binding are respected),
/// or as many as its control group's quota lets run all the time; at least 1.
int usable_cores();

/// The absolute path of the program `name` in this program's own folder.
/// Throws Error with ExitCode::io when it is not there or cannot be executed.
std::string program_beside_this(const std::string& name);

/// Whether /dev/shm has room for what Open MPI passes messages of so many ranks through.
bool has_room_to_share(int ranks);

/// The width in columns of the terminal that standard output is; nothing when it is not a terminal.
std::optional<int> terminal_columns();

}  // namespace lockstep
