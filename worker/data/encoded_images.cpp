#include "worker/data/encoded_images.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <map>

#include "common/error.hpp"
#include "common/small_file.hpp"

namespace lockstep {
namespace {

void read_image(const std::string& path, std::vector<std::byte>& to) {
  if (const auto kind = why_not_regular(path); !kind.empty())
    throw DamagedImage(kind + ", not a regular file");
  const int file = open_to_read(path);
  struct stat about {};
  ssize_t got = fstat(file, &about) == 0 ? 0 : -1;
  to.resize(got == 0 ? static_cast<std::size_t>(about.st_size) : 0);
  std::size_t done = 0;
  while (got >= 0 && done < to.size()) {
    got = read(file, to.data() + done, to.size() - done);
    if (got < 0 && errno == EINTR)
      got = 0;
    else if (got == 0)
      break;
    if (got > 0) done += static_cast<std::size_t>(got);
  }
  const int error_number = errno;
  close(file);
  if (got < 0) throw FileError("cannot read", path, error_number);
  to.resize(done);
}

std::string class_of(const FoundImage& image) { return image.path.substr(0, image.path.find('/')); }

void require_finished(const std::string& place, const FoundImages& found) {
  if (found.unfinished.empty()) return;
  const auto& first = *std::ranges::min_element(found.unfinished);
  throw Error(ExitCode::io, place + " has not been copied to its end",
              first + " has the name of a file that is still being copied or downloaded" +
                  (found.unfinished.size() > 1
                       ? ", and so have " + std::to_string(found.unfinished.size() - 1) + " more"
                       : ""),
              "finish the copy, or remove such files");
}

using ByClass = std::map<std::string, std::vector<FoundImage>>;

ByClass by_class(std::vector<FoundImage> images) {
  std::ranges::sort(images, {}, &FoundImage::path);
  ByClass result;
  for (auto& image : images) result[class_of(image)].push_back(std::move(image));
  return result;
}

/// The first image of every class, then the second of every class ...: at most `most` (0: all).
void add_in_turn(EncodedImages& to, const std::string& folder, ByClass& classes, std::int64_t most) {
  const auto begin = to.count();
  for (std::size_t turn = 0, added = 1; added > 0; ++turn) {
    added = 0;
    for (std::size_t label = 0; label < to.classes.size(); ++label) {
      auto& images = classes[to.classes[label]];
      if (turn >= images.size() || (most > 0 && to.count() - begin >= most)) continue;
      ++added;
      to.samples.push_back(
          {folder + "/" + images[turn].path, static_cast<std::int64_t>(label), images[turn].bytes});
    }
  }
}

void require_classes(const EncodedImages& images, const FoundImages& found, const ByClass& test) {
  if (!found.empty_classes.empty()) {
    throw Error(ExitCode::config,
                "class " + found.empty_classes.front() + " of " + images.place + " has no images",
                found.train_folder + "/" + found.empty_classes.front() + " holds no .jpg, .jpeg or .png",
                "add its images, or remove the folder");
  }
  for (const auto& [name, list] : test) {
    if (std::ranges::binary_search(images.classes, name)) continue;
    throw Error(ExitCode::config,
                "class " + name + " of " + images.place + " is in " + found.test_folder + " alone",
                found.train_folder + " has no folder " + name, "name the classes alike in both parts");
  }
}

}  // namespace

bool has_image_name(const std::string& path) {
  auto ending = std::filesystem::path(path).extension().string();
  for (auto& letter : ending) letter = static_cast<char>(std::tolower(static_cast<unsigned char>(letter)));
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png";
}

bool is_hidden(const std::string& path) {
  for (const auto& part : std::filesystem::path(path)) {
    const auto name = part.string();
    if (name.starts_with('.') || name == "@eaDir" || name == "#recycle" || name == "__MACOSX") return true;
  }
  return false;
}

bool is_unfinished(const std::string& name) {
  for (const auto* ending : {".part", ".partial", ".crdownload", ".filepart", ".aria2", ".opdownload"})
    if (name.ends_with(ending)) return true;
  if (name == ".~tmp~" || name == ".rsync-partial") return true;
  constexpr std::size_t suffix = 7;  // a dot and six letters
  return name.starts_with('.') && name.size() > suffix + 1 && name[name.size() - suffix] == '.' &&
         has_image_name(name.substr(1, name.size() - suffix - 1));
}

std::string test_folder(const std::string& place, const Part& train, const Part& test, const Part& val,
                        std::vector<std::string>& notes) {
  const auto has_classes = [&](const Part& part) {
    return std::ranges::any_of(part.folders, [&](const auto& name) { return train.folders.contains(name); });
  };
  if (!test.there && !val.there) {
    throw Error(ExitCode::config, "found no test images in " + place, "it has neither test/ nor val/",
                "put them there, as test/CLASS/NAME.jpg");
  }
  const auto holds_any = [](const Part& part) { return part.loose_images || !part.folders.empty(); };
  if (has_classes(test)) {
    if (holds_any(val))
      notes.push_back("val/ of " + place +
                      " is not used, as test/ is tested on (rename test/ to test on val/)");
    return "test";
  }
  if (has_classes(val)) {
    if (holds_any(test))
      notes.push_back("test/ of " + place +
                      " is not used, as it has no folder of a class of train/; val/ is tested on");
    return "val";
  }
  const bool by_val = !test.there || (test.folders.empty() && val.there);
  const auto& part = by_val ? val : test;
  const std::string name = by_val ? "val" : "test";
  if (!part.folders.empty() || !part.loose_images) return name;
  throw Error(ExitCode::config, "the images in " + place + "/" + name + " are of no class",
              "they lie in no folders of classes, as those of train/ do",
              "move each into the folder of its class, " + name + "/CLASS/NAME.jpg");
}

void set_samples(EncodedImages& images, FoundImages found, std::int64_t train_samples,
                 std::int64_t test_samples) {
  require_finished(images.place, found);
  for (const auto& [folder, list] :
       {std::pair{found.train_folder, &found.train}, {found.test_folder, &found.test}}) {
    if (!list->empty()) continue;
    throw Error(ExitCode::config, "found no images in " + images.place + "/" + folder,
                "looked for " + folder + "/CLASS/*.jpg, .jpeg and .png", "check data.path");
  }
  auto train = by_class(std::move(found.train)), test = by_class(std::move(found.test));
  for (const auto& [name, list] : train) images.classes.push_back(name);
  require_classes(images, found, test);
  add_in_turn(images, found.train_folder, train, train_samples);
  images.train_count = images.count();
  add_in_turn(images, found.test_folder, test, test_samples);
}

Hash128 EncodedImages::list_hash() const {
  std::string list = std::to_string(train_count);
  for (const auto& sample : samples)
    list.append("\n").append(std::to_string(sample.label)).append(" ").append(sample.name);
  return hash_text(list);
}

std::span<const std::byte> EncodedImages::bytes_of(std::int64_t index, Decoder& decoder) const {
  if (samples[index].bytes.data()) return samples[index].bytes;
  with_patience([&] { read_image(path_of(index), decoder.file_bytes); });
  return decoder.file_bytes;
}

PixelShape EncodedImages::shape_of(std::int64_t index, Decoder& decoder) const {
  return planar ? PixelShape{32, 32, 3} : decoder.shape_of(bytes_of(index, decoder));
}

void EncodedImages::decode(std::int64_t index, Decoder& decoder, std::uint8_t* out) const {
  if (!planar) return decoder.decode(bytes_of(index, decoder), shape, same_size, out);
  const auto* values = reinterpret_cast<const std::uint8_t*>(samples[index].bytes.data());
  const auto area = shape.height * shape.width;
  for (std::int64_t i = 0; i < area; ++i)
    for (std::int64_t c = 0; c < 3; ++c) out[i * 3 + c] = values[c * area + i];
}

}  // namespace lockstep
