// Recognises files that users give as weights but that are something else, and says how to convert them.
#pragma once

#include <string>

namespace lockstep {

/// Throws Error if the first bytes of `path` are those of another kind of file: (config) for files of
/// PyTorch, archives and other formats; (io) for a Git LFS pointer or a web page in place of the file. The
/// suggestion has the command that converts it. Returns for everything else, and if the file cannot be read.
void refuse_foreign_file(const std::string& path);

/// The command that writes the tensors of the safetensors file `path` whose names begin with `prefix` to
/// another file, with that prefix removed. `prefix` consists of letters, digits, underscores and dots.
std::string line_that_keeps(const std::string& path, const std::string& prefix);

}  // namespace lockstep
