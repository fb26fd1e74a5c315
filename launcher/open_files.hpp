// The limit on open files, at which mpirun would fail silently.
#pragma once

namespace lockstep {

/// Raises the limit of this process, which its children inherit, if it is too low for `ranks` ranks on this
/// machine. Throws Error (config) if that is not permitted.
void require_open_files(int ranks);

}  // namespace lockstep
