// Initial weights out of a file.
#pragma once

#include <string>

namespace lockstep {

struct Model;

/// Takes parameters and running statistics from the safetensors file `path`, name by name: one that Python's
/// safetensors wrote of a torchvision or timm model's state_dict, or lockstep's own weights.safetensors. F16,
/// BF16 and F64 become F32. What wrappers put in front of all names is left out, and a last layer of another
/// shape passed over, with a warning. An empty path does nothing. Throws Error (config) when the file is of
/// another kind, or any other tensor is missing, too many, of another shape or type, or not finite; (io) when
/// the file cannot be read or is damaged.
void load_pretrained(Model& model, const std::string& path);

}  // namespace lockstep
