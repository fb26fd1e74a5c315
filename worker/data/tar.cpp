// A tar file with the same tree as a folder of images, mapped into memory; libarchive finds where its members
// are.
#include <archive.h>
#include <archive_entry.h>
#include <locale.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "common/error.hpp"
#include "worker/data/encoded_images.hpp"
#include "worker/ranks/interruption.hpp"

namespace lockstep {
namespace {

constexpr std::size_t block_bytes = 512;

struct Free {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, Free>;

/// While it lives, libarchive returns non-ASCII names in UTF-8 to this thread. It converts the names in pax
/// headers to the locale, and refuses them in the locale "C".
class Utf8Names {
 public:
  Utf8Names() : locale_(newlocale(LC_CTYPE_MASK, "C.UTF-8", nullptr)) {
    if (locale_) before_ = uselocale(locale_);
  }
  ~Utf8Names() {
    if (!locale_) return;
    uselocale(before_);
    freelocale(locale_);
  }
  Utf8Names(const Utf8Names&) = delete;
  Utf8Names& operator=(const Utf8Names&) = delete;

 private:
  locale_t locale_, before_ = nullptr;
};

Error damaged(const MappedFile& file, const std::string& why) {
  return Error(ExitCode::io, "cannot use " + file.path(), why, "fetch or write the file again");
}

/// The reason of libarchive's last error; it gives none for some errors.
std::string reason(archive* reader) {
  const char* text = archive_error_string(reader);
  return text ? text : "damaged: it cannot be read as a tar file";
}

Reader open_tar(const MappedFile& file) {
  Reader reader(archive_read_new());
  archive_read_support_format_tar(reader.get());
  if (archive_read_open_memory(reader.get(), file.bytes().data(), file.bytes().size()) != ARCHIVE_OK)
    throw damaged(file, reason(reader.get()));
  return reader;
}

/// The member's content, in the mapped file: libarchive returns it in place, as one block.
std::span<const std::byte> content_of(archive* reader, const MappedFile& file, const std::string& name,
                                      std::int64_t size) {
  if (size == 0) return file.bytes().first(0);
  const void* data = nullptr;
  std::size_t length = 0;
  la_int64_t offset = 0;
  const int status = archive_read_data_block(reader, &data, &length, &offset);
  const auto* begin = static_cast<const std::byte*>(data);
  const bool whole = status == ARCHIVE_OK && offset == 0 && static_cast<std::int64_t>(length) == size;
  if (!whole || begin < file.bytes().data() || begin + length > file.bytes().data() + file.bytes().size())
    throw damaged(file, name + " is cut short, or stored in pieces");
  return {begin, length};
}

struct Member {
  std::string path;  ///< as stored, without a leading "./"
  bool folder;
  std::span<const std::byte> bytes;
};

/// Throws Error (io) unless the file ends with blocks of zeros, as a tar file does. libarchive accepts a file
/// that is cut off between two members, and does not look at what follows the end.
void require_end(const MappedFile& file, std::size_t end, const std::vector<Member>& members) {
  const auto rest = file.bytes().subspan(std::min(end, file.bytes().size()));
  if (rest.size() < block_bytes) {
    throw damaged(file, "it is cut short: the mark of the end is missing after its last whole member" +
                            (members.empty() ? "" : ", " + members.back().path));
  }
  const auto other = std::ranges::find_if(rest, [](std::byte byte) { return byte != std::byte{0}; });
  if (other == rest.end()) return;
  throw Error(ExitCode::io, "cannot use " + file.path(),
              "something follows the end of the archive at byte " +
                  std::to_string(end + static_cast<std::size_t>(other - rest.begin())) +
                  ", such as a second tar file",
              "write one archive of all images with tar -cf, or join two with tar -Af");
}

/// Throws Error (io) if a member is there twice: tools disagree whether to take the last one or both.
void require_once(const MappedFile& file, const std::vector<Member>& members) {
  std::set<std::string_view> seen;
  for (const auto& member : members) {
    if (member.folder || seen.insert(member.path).second) continue;
    throw Error(ExitCode::io, "cannot use " + file.path(), "it holds " + member.path + " twice",
                "unpack it and write it again with tar -cf");
  }
}

std::vector<Member> members_of(const MappedFile& file) {
  const Utf8Names names;
  const auto reader = open_tar(file);
  std::vector<Member> members;
  archive_entry* entry = nullptr;
  std::size_t end = 0;  // of the last member, in bytes
  int status;
  while ((status = archive_read_next_header(reader.get(), &entry)) == ARCHIVE_OK) {
    stop_if_asked();
    const char* name = archive_entry_pathname(entry);
    std::string path = name ? name : "";
    while (path.starts_with("./")) path.erase(0, 2);
    const bool folder = archive_entry_filetype(entry) == AE_IFDIR;
    while (path.ends_with('/')) path.pop_back();
    Member member{path, folder, {}};
    const bool regular = archive_entry_filetype(entry) == AE_IFREG && !archive_entry_hardlink(entry);
    if (regular && has_image_name(path))
      member.bytes = content_of(reader.get(), file, path, archive_entry_size(entry));
    if (folder || regular) members.push_back(std::move(member));
    if (!folder && !regular)
      throw damaged(file, path + " is a link or no regular file, of which a tar file holds no content");
    if (archive_read_data_skip(reader.get()) != ARCHIVE_OK) throw damaged(file, reason(reader.get()));
    end = static_cast<std::size_t>(archive_filter_bytes(reader.get(), 0));
  }
  if (status != ARCHIVE_EOF) throw damaged(file, reason(reader.get()));
  require_end(file, end, members);
  require_once(file, members);
  return members;
}

/// What follows `folder/` in `path`; "" if it is not below it.
std::string below(const std::string& path, const std::string& folder) {
  return path.starts_with(folder + "/") ? path.substr(folder.size() + 1) : "";
}

/// The one folder that the tree lies in, with a trailing slash; "" if there is none.
std::string root_of(const std::vector<Member>& members) {
  const auto has = [&](const std::string& folder) {
    return std::ranges::any_of(members, [&](const Member& member) {
      return member.path.starts_with(folder + "/") || (member.folder && member.path == folder);
    });
  };
  if (members.empty() || has("train")) return "";
  const auto first = members.front().path.substr(0, members.front().path.find('/'));
  return has(first + "/train") ? first + "/" : "";
}

Part part_in(const std::vector<Member>& members, const std::string& folder) {
  Part part;
  for (const auto& member : members) {
    const auto inner = below(member.path, folder);
    part.there = part.there || !inner.empty() || (member.folder && member.path == folder);
    if (inner.empty() || is_hidden(inner)) continue;
    if (member.folder || inner.find('/') != std::string::npos) {
      part.folders.insert(inner.substr(0, inner.find('/')));
    } else if (has_image_name(inner)) {
      part.loose_images = true;
    }
  }
  return part;
}

}  // namespace

EncodedImages find_in_tar(const std::string& path, std::int64_t train_samples, std::int64_t test_samples) {
  EncodedImages images;
  images.place = path;
  images.files.push_back(std::make_unique<MappedFile>(path));
  const auto members = members_of(*images.files.front());
  const auto root = root_of(members);
  const auto tested = test_folder(path, part_in(members, root + "train"), part_in(members, root + "test"),
                                  part_in(members, root + "val"), images.notes);
  FoundImages found{root + "train", root + tested, {}, {}, {}, {}};
  std::set<std::string> folders, used;
  for (const auto& member : members) {
    const auto in_train = below(member.path, found.train_folder);
    const auto inner = in_train.empty() ? below(member.path, found.test_folder) : in_train;
    if (!inner.empty() && is_unfinished(inner.substr(inner.rfind('/') + 1)))
      found.unfinished.push_back(member.path);
    const bool hidden = is_hidden(inner);
    const bool in_class = inner.find('/') != std::string::npos;
    if (member.folder) {
      if (!in_train.empty() && !in_class && !hidden) folders.insert(in_train);
    } else if (!in_class || hidden || !has_image_name(member.path)) {
      images.left_out.push_back(member.path);
    } else {
      (in_train.empty() ? found.test : found.train).push_back({inner, member.bytes});
      if (!in_train.empty()) used.insert(inner.substr(0, inner.find('/')));
    }
  }
  std::ranges::set_difference(folders, used, std::back_inserter(found.empty_classes));
  set_samples(images, std::move(found), train_samples, test_samples);
  std::ranges::sort(images.left_out);
  return images;
}

}  // namespace lockstep
