// The limit of open files, which mpirun would run into without a word.
#pragma once

namespace lockstep {

/// Raises this process's limit, which its children inherit, where it is too low for `ranks` ranks on this
/// machine. Throws Error (config) where it may not.
void require_open_files(int ranks);

}  // namespace lockstep
