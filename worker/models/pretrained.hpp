// Initial weights from a file.
#pragma once

#include <string>

namespace lockstep {

struct Model;

/// Loads parameters and running statistics by name from the safetensors file `path`: the state_dict of a
/// torchvision or timm model, written by Python's safetensors, or lockstep's own weights.safetensors. F16,
/// BF16 and F64 become F32. Removes prefixes that wrappers put in front of all names, and skips a last layer
/// of another shape, each with a warning. An empty path does nothing. Throws Error (config) when the file is
/// of another kind, or when any other tensor is missing, unexpected, of another shape or type, or not finite;
/// (io) when the file cannot be read or is damaged.
void load_pretrained(Model& model, const std::string& path);

}  // namespace lockstep
