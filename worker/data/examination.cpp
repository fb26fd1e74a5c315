#include "worker/data/examination.hpp"

#include <algorithm>
#include <cstring>

#include "common/error.hpp"
#include "worker/data/threads.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

constexpr std::size_t most_named = 10;

void enter_damage(Examined& image, const DamagedImage& damage) {
  std::strncpy(image.damage.data(), damage.what(), image.damage.size() - 1);
}

std::string size_text(const Examined& image) {
  return std::to_string(image.width) + " x " + std::to_string(image.height);
}

std::string damage_text(const EncodedImages& images, std::span<const Examined> table, std::int64_t i) {
  return images.path_of(i) + " (" + table[i].damage.data() + ")";
}

std::vector<std::int64_t> damaged_in(std::span<const Examined> table) {
  std::vector<std::int64_t> damaged;
  for (std::int64_t i = 0; i < std::ssize(table); ++i)
    if (!table[i].sound()) damaged.push_back(i);
  return damaged;
}

void require_samples(const EncodedImages& images, std::span<const Examined> table) {
  std::vector<std::int64_t> left(images.classes.size());
  std::int64_t test = 0;
  for (std::int64_t i = 0; i < images.count(); ++i) {
    if (!table[i].sound()) continue;
    ++(i < images.train_count ? left[images.samples[i].label] : test);
  }
  if (test == 0) {
    throw Error(ExitCode::config, "no test image of " + images.place + " can be used",
                "all of them are damaged", "restore them");
  }
  for (std::int64_t i = 0; i < images.train_count; ++i) {
    if (left[images.samples[i].label] > 0) continue;
    throw Error(ExitCode::config,
                "class " + images.classes[images.samples[i].label] + " of " + images.place +
                    " has no image that can be used",
                "all of them are damaged, such as " + damage_text(images, table, i), "restore them");
  }
}

}  // namespace

std::int64_t look_at_headers(const EncodedImages& images, Range own, std::span<Examined> table,
                             std::int64_t threads, const Pause& pause) {
  const auto look = [&](std::int64_t i, Decoder& decoder) {
    const BusyWith image(images.samples[static_cast<std::size_t>(i)].name.c_str());
    try {
      const auto shape = images.shape_of(i, decoder);
      table[i].height = static_cast<std::int32_t>(shape.height);
      table[i].width = static_cast<std::int32_t>(shape.width);
      table[i].channels = static_cast<std::int32_t>(shape.channels);
    } catch (const DamagedImage& damage) {
      enter_damage(table[i], damage);
    }
  };
  return for_each_on_threads_until<Decoder>(own, threads, look, pause);
}

void choose_shape(EncodedImages& images, std::span<const Examined> table, const Config::Data& settings) {
  const auto first = std::ranges::find_if(table, &Examined::sound);
  if (first == table.end()) {
    throw Error(ExitCode::io, "no image of " + images.place + " can be used",
                "such as " + damage_text(images, table, 0), "fetch the data again");
  }
  const auto differs = [&](const Examined& image) {
    return image.sound() && (image.height != first->height || image.width != first->width);
  };
  const auto other = std::ranges::find_if(table, differs);
  if (other != table.end() && !settings.image_size) {
    throw Error(ExitCode::config, "the images of " + images.place + " differ in size",
                images.path_of(first - table.begin()) + " has " + size_text(*first) + " pixels, " +
                    images.path_of(other - table.begin()) + " " + size_text(*other),
                "set data.image_size to the side that all are to have");
  }
  const bool colour =
      std::ranges::any_of(table, [](const Examined& image) { return image.sound() && image.channels == 3; });
  images.shape = {settings.image_size.value_or(first->height), settings.image_size.value_or(first->width),
                  colour ? 3 : 1};
  images.same_size =
      other == table.end() && first->height == images.shape.height && first->width == images.shape.width;
}

std::int64_t examine(const EncodedImages& images, Range own, Slots slots, std::span<Examined> table,
                     std::int64_t threads, const Pause& pause) {
  const auto bytes = images.shape.bytes();
  const auto look = [&](std::int64_t i, Decoder& decoder) {
    if (!table[i].sound()) return;
    const BusyWith image(images.samples[static_cast<std::size_t>(i)].name.c_str());
    decoder.pixels.resize(static_cast<std::size_t>(bytes));
    auto* pixels = i < slots.count ? slots.pixels + i * bytes : decoder.pixels.data();
    try {
      images.decode(i, decoder, pixels);
      table[i].record = record_of(pixels, images.shape, images.samples[i].label);
    } catch (const DamagedImage& damage) {
      enter_damage(table[i], damage);
    }
  };
  return for_each_on_threads_until<Decoder>(own, threads, look, pause);
}

void refuse_damaged(const EncodedImages& images, std::span<const Examined> table,
                    const Config::Data& settings) {
  const auto damaged = damaged_in(table);
  if (damaged.empty()) return;
  if (settings.damaged_images == "skip") return require_samples(images, table);
  std::string named;
  for (std::size_t i = 0; i < std::min(damaged.size(), most_named); ++i)
    named += (i > 0 ? "; " : "") + damage_text(images, table, damaged[i]);
  if (damaged.size() > most_named) named += "; ...";
  throw Error(ExitCode::io,
              std::to_string(damaged.size()) + " of " + std::to_string(images.count()) +
                  " images are damaged: " + named,
              "data.damaged_images = \"error\"",
              "restore them, or leave them out with data.damaged_images = \"skip\"");
}

SoundImages sound_among(std::span<const Examined> table, Range range) {
  SoundImages sound;
  for (auto i = range.begin; i < range.end; ++i) {
    if (!table[i].sound()) continue;
    sound.records.push_back(table[i].record);
    sound.places.push_back(i);
  }
  return sound;
}

std::vector<std::string> notes_on(const EncodedImages& images, std::span<const Examined> table) {
  std::vector<std::string> notes = images.notes;
  const auto before = notes.size();
  for (const auto i : damaged_in(table)) notes.push_back("left out " + damage_text(images, table, i));
  if (notes.size() > before) {
    notes.push_back(std::to_string(notes.size() - before) + " of " + std::to_string(images.count()) +
                    " images are damaged and left out (data.damaged_images = \"skip\")");
  }
  if (!images.left_out.empty()) {
    notes.push_back(
        std::to_string(images.left_out.size()) + " files of " + images.place + " are not used, such as " +
        images.left_out.front() +
        " (an image lies in the folder of its class and ends in .jpg, .jpeg or .png; what is hidden is "
        "no class)");
  }
  return notes;
}

}  // namespace lockstep
