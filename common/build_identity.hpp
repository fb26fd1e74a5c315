// Identifies this binary: version, commit, compiler and libraries. Ranks compare it before step 0.
#pragma once

#include <string>

namespace lockstep {

/// One line, e.g. "lockstep 0.2.0 (commit 1a2b3c4, gcc 12.2.0, Release, torch 2.11.0, cuda 13.0)".
std::string build_identity();

}  // namespace lockstep
