// Files that people give as weights and that are something else: what they are, and what makes weights of
// them.
#pragma once

#include <string>

namespace lockstep {

/// Throws Error where the first bytes of `path` are those of another kind of file: of PyTorch's, of archives
/// and other formats (config), of a Git LFS pointer or a web page, which stand where the file should be (io).
/// The suggestion has the line that converts it. Returns for everything else, and where it cannot be read.
void refuse_foreign_file(const std::string& path);

/// The line that writes the tensors of the safetensors file `path` whose names begin with `prefix`, without
/// it, to another file. `prefix` has letters, digits, underlines and dots alone.
std::string line_that_keeps(const std::string& path, const std::string& prefix);

}  // namespace lockstep
