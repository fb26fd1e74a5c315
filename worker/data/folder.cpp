// A folder of images: train/CLASS/*.jpg and test/CLASS/*.jpg, or val/ in the place of test/.
#include <algorithm>
#include <filesystem>
#include <system_error>

#include "common/error.hpp"
#include "worker/data/encoded_images.hpp"

namespace lockstep {
namespace {

namespace fs = std::filesystem;

/// All files below `root/part/name`, and below its folders: they belong to the class `name`.
std::size_t add_class(const fs::path& root, const std::string& part, const std::string& name,
                      std::vector<FoundImage>& to, std::vector<std::string>& left_out) {
  const auto before = to.size();
  const auto folder = root / part;
  fs::recursive_directory_iterator entry(folder / name, fs::directory_options::follow_directory_symlink);
  for (; entry != fs::recursive_directory_iterator(); ++entry) {
    const auto path = entry->path().lexically_relative(folder).string();
    const bool hidden = is_hidden(entry->path().filename().string());
    if (entry->is_directory()) {
      if (hidden) entry.disable_recursion_pending();
      if (hidden) left_out.push_back(part + "/" + path + "/");
    } else if (has_image_name(path) && !hidden) {
      to.push_back({path, {}});
    } else {
      left_out.push_back(part + "/" + path);
    }
  }
  return to.size() - before;
}

void add_part(const fs::path& root, const std::string& part, std::vector<FoundImage>& to,
              std::vector<std::string>& empty, std::vector<std::string>& left_out) {
  for (const auto& entry : fs::directory_iterator(root / part)) {
    const auto name = entry.path().filename().string();
    if (!entry.is_directory()) {
      left_out.push_back(part + "/" + name);
    } else if (is_hidden(name)) {
      left_out.push_back(part + "/" + name + "/");
    } else if (add_class(root, part, name, to, left_out) == 0) {
      empty.push_back(name);
    }
  }
  std::ranges::sort(empty);
}

}  // namespace

EncodedImages find_in_folder(const std::string& folder, std::int64_t train_samples,
                             std::int64_t test_samples) {
  EncodedImages images;
  images.place = folder;
  try {
    FoundImages found;
    found.train_folder = "train";
    found.test_folder = fs::is_directory(fs::path(folder) / "test") ? "test" : "val";
    if (!fs::is_directory(fs::path(folder) / found.test_folder)) {
      throw Error(ExitCode::config, "found no test images in " + folder, "it has neither test/ nor val/",
                  "put them there, as test/CLASS/NAME.jpg");
    }
    std::vector<std::string> empty_in_test;  // which is no harm
    add_part(folder, found.train_folder, found.train, found.empty_classes, images.left_out);
    add_part(folder, found.test_folder, found.test, empty_in_test, images.left_out);
    set_samples(images, std::move(found), train_samples, test_samples);
  } catch (const fs::filesystem_error& failure) {
    throw file_error("cannot read", failure.path1().string(), failure.code().value());
  }
  std::ranges::sort(images.left_out);
  return images;
}

}  // namespace lockstep
