// Initial weights out of a file.
#pragma once

#include <string>

namespace lockstep {

struct Model;

/// Takes parameters and running statistics from the safetensors file `path`, name by name: one that Python's
/// safetensors wrote of a torchvision or timm model's state_dict, or lockstep's own weights.safetensors. F16
/// and BF16 become F32. A last layer of another shape is passed over with a warning. An empty path does
/// nothing. Throws Error (config) when any other tensor is missing, too many, or of another shape or type;
/// (io) when the file cannot be read or is damaged.
void load_pretrained(Model& model, const std::string& path);

}  // namespace lockstep
