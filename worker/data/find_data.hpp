// What lies at data.path.
#pragma once

#include <variant>

#include "configs/config.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/idx.hpp"
#include "worker/data/packed_file.hpp"

namespace lockstep {

using FoundData = std::variant<std::monostate, IdxFiles, EncodedImages, std::shared_ptr<const PackedFile>>;

/// What people may do who train on data that are not there.
constexpr const char* remedy_in_training =
    "set data.path to what holds the images, or install dataset-fashion-mnist";

/// Recognises the kind by what is there, and lists it. No image is looked into. Throws Error (io) when there
/// is nothing, (config) when it is nothing that can be used; both say what was looked for, and the `remedy`.
/// Throws Interrupted when this rank is asked to end.
FoundData find_data(const Config::Data& settings, const std::string& remedy = remedy_in_training);

/// Of the kind and the list: equal on ranks that have found the same.
Hash128 list_hash(const FoundData& found);

/// How many of `count` samples the setting `most` leaves (0: all).
std::int64_t kept(std::int64_t count, std::int64_t most);

}  // namespace lockstep
