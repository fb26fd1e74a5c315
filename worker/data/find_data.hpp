// Finds out what kind of data is at data.path.
#pragma once

#include <variant>

#include "configs/config.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/data/idx.hpp"
#include "worker/data/packed_file.hpp"

namespace lockstep {

using FoundData = std::variant<std::monostate, IdxFiles, EncodedImages, std::shared_ptr<const PackedFile>>;

/// What users can do when the data to train on are not there.
constexpr const char* remedy_in_training =
    "set data.path to what holds the images, or install dataset-fashion-mnist";

/// Recognises the kind of data at settings.path by the names and first bytes of files, and lists its images
/// without decoding any. Throws Error (io) when there is nothing, (config) when it cannot be used; both say
/// what was looked for, and the `remedy`. Throws Interrupted when this rank is asked to end. Not collective.
FoundData find_data(const Config::Data& settings, const std::string& remedy = remedy_in_training);

/// Hash of what was found: equal on ranks that have found the same.
Hash128 list_hash(const FoundData& found);

/// How many of `count` samples the setting `most` leaves (0: all).
std::int64_t kept(std::int64_t count, std::int64_t most);

}  // namespace lockstep
