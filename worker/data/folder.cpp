// A folder of images: train/CLASS/*.jpg and test/CLASS/*.jpg, or val/ in the place of test/.
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include "common/filesystem_error.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

/// Throws Error (io) if `entry` is a dangling link: a copy without the targets of its links is incomplete.
void require_target(const fs::directory_entry& entry) {
  if (!entry.is_symlink() || entry.exists()) return;
  throw Error(ExitCode::io, "cannot use " + entry.path().string(),
              "it is a link to " + fs::read_symlink(entry.path()).string() + ", which is not there",
              "restore that, or remove the link");
}

/// Whether `entry` is a folder or a link to one.
bool is_folder(const fs::directory_entry& entry) {
  require_target(entry);
  return entry.is_directory();
}

/// The nested folders from the root to the current one, by their device and inode numbers.
class Way {
 public:
  /// Enters `folder`, which lies within the first `depth` folders of the way. Throws Error (io) if a link
  /// leads back to one of them: everything in it would be found again and again.
  void enter(const fs::path& folder, std::size_t depth) {
    struct stat about {};
    if (stat(folder.c_str(), &about) != 0) throw file_error("cannot read", folder.string(), errno);
    const Number number{about.st_dev, about.st_ino};
    numbers_.resize(depth);
    if (std::ranges::find(numbers_, number) != numbers_.end()) {
      throw Error(ExitCode::io, "cannot use " + folder.string(),
                  "a link leads back to a folder that it lies in", "remove the link");
    }
    numbers_.push_back(number);
  }

 private:
  using Number = std::pair<dev_t, ino_t>;
  std::vector<Number> numbers_;
};

/// Searches one part of the data: train/, test/ or val/.
class Search {
 public:
  Search(const std::string& root, const std::string& part, EncodedImages& images, FoundImages& found)
      : folder_(fs::path(root) / part), part_(part), images_(images), found_(found) {
    way_.enter(root, 0);
    way_.enter(folder_, 1);
  }

  /// Appends the images to `to`. Returns the names of class folders without an image.
  std::vector<std::string> run(std::vector<FoundImage>& to) {
    std::vector<std::string> empty;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      const auto name = entry.path().filename().string();
      if (pass_over(entry)) continue;
      if (!is_folder(entry)) {
        images_.left_out.push_back(part_ + "/" + name);
      } else if (const auto before = to.size(); add_class(entry.path(), to), to.size() == before) {
        empty.push_back(name);
      }
    }
    std::ranges::sort(empty);
    return empty;
  }

 private:
  /// Whether the entry is hidden or unfinished; notes it if so. Throws Interrupted.
  bool pass_over(const fs::directory_entry& entry) {
    stop_if_asked();
    const auto name = entry.path().filename().string();
    const auto path = part_ + "/" + entry.path().lexically_relative(folder_).string();
    const bool unfinished = is_unfinished(name), hidden = is_hidden(name);
    if (unfinished) found_.unfinished.push_back(path);
    if (hidden && !unfinished) images_.left_out.push_back(path + (is_real_folder(entry) ? "/" : ""));
    return unfinished || hidden;
  }

  static bool is_real_folder(const fs::directory_entry& entry) {
    std::error_code none;  // what is hidden is not needed
    return entry.is_directory(none);
  }

  /// Adds all images below the folder of a class, at any depth.
  void add_class(const fs::path& folder, std::vector<FoundImage>& to) {
    way_.enter(folder, 2);
    fs::recursive_directory_iterator entry(folder, fs::directory_options::follow_directory_symlink);
    for (; entry != fs::recursive_directory_iterator(); ++entry) {
      const auto path = entry->path().lexically_relative(folder_).string();
      if (pass_over(*entry)) {
        entry.disable_recursion_pending();
      } else if (is_folder(*entry)) {
        way_.enter(entry->path(), 3 + static_cast<std::size_t>(entry.depth()));
      } else if (has_image_name(path)) {
        to.push_back({path, {}});
      } else {
        images_.left_out.push_back(part_ + "/" + path);
      }
    }
  }

  fs::path folder_;
  std::string part_;
  EncodedImages& images_;
  FoundImages& found_;
  Way way_;
};

Part look_at(const fs::path& folder) {
  Part part;
  const fs::directory_entry itself(folder);
  part.there = is_folder(itself);
  if (!part.there) return part;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const auto name = entry.path().filename().string();
    stop_if_asked();
    if (is_hidden(name) || is_unfinished(name)) continue;
    if (is_folder(entry)) {
      part.folders.insert(name);
    } else if (has_image_name(name)) {
      part.loose_images = true;
    }
  }
  return part;
}

}  // namespace

EncodedImages find_in_folder(const std::string& folder, std::int64_t train_samples,
                             std::int64_t test_samples) {
  EncodedImages images;
  images.place = folder;
  try {
    FoundImages found;
    const fs::path root(folder);
    found.train_folder = "train";
    found.test_folder = test_folder(folder, look_at(root / "train"), look_at(root / "test"),
                                    look_at(root / "val"), images.notes);
    found.empty_classes = Search(folder, found.train_folder, images, found).run(found.train);
    Search(folder, found.test_folder, images, found).run(found.test);  // an empty class does no harm there
    set_samples(images, std::move(found), train_samples, test_samples);
  } catch (const fs::filesystem_error& failure) {
    throw file_error(failure);
  }
  std::ranges::sort(images.left_out);
  return images;
}

}  // namespace lockstep
