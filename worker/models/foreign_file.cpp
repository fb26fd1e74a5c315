#include "worker/models/foreign_file.hpp"

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <string_view>

#include "common/error.hpp"
#include "common/small_file.hpp"

namespace lockstep {
namespace {

using namespace std::literals;
namespace fs = std::filesystem;

/// `text` quoted as one word of a shell command.
std::string in_shell(const std::string& text) {
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? "'\\''"s : std::string(1, c);
  return word + "'";
}

std::string first_bytes_of(const std::string& path) {
  if (!why_not_regular(path).empty()) return "";
  std::string bytes(512, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), std::ssize(bytes));
  bytes.resize(static_cast<std::size_t>(std::max<std::streamsize>(file.gcount(), 0)));
  return bytes;
}

/// The name of the first file in an archive that begins with `bytes`.
std::string first_in_zip(std::string_view bytes) {
  constexpr std::size_t at_length = 26, at_name = 30;
  if (bytes.size() < at_name) return "";
  const auto low = static_cast<unsigned char>(bytes[at_length]),
             high = static_cast<unsigned char>(bytes[at_length + 1]);
  return std::string(bytes.substr(at_name, low + 256U * high));
}

/// A name for the converted file beside `path`, never `path` itself.
std::string as_safetensors(const std::string& path) {
  const fs::path file(path);
  const bool named_so = file.extension() == ".safetensors";
  return fs::path(file).replace_extension(named_so ? ".converted.safetensors" : ".safetensors").string();
}

/// How to convert `path`. `load` is the Python code that makes a dictionary of names and tensors from the
/// file sys.argv[1].
std::string conversion(const std::string& path, const std::string& load) {
  return "convert it, in Python with the packages torch and safetensors: python3 -c \"import sys, torch, "
         "safetensors.torch as s; "
         "d = " +
         load +
         "; s.save_file({k: v.contiguous().clone() for k, v in d.items() if torch.is_tensor(v)}, "
         "sys.argv[2])\" " +
         in_shell(path) + " " + in_shell(as_safetensors(path)) + ", and name the file that it writes";
}

std::string conversion_of_checkpoint(const std::string& path) {
  return conversion(path,
                    "torch.load(sys.argv[1], 'cpu', weights_only=True); "
                    "d = next((d[k] for k in ('state_dict', 'model_state_dict', 'model') if "
                    "isinstance(d.get(k), dict)), d)");
}

Error foreign(const std::string& path, const std::string& what, const std::string& why,
              const std::string& remedy) {
  return {ExitCode::config, "model.pretrained = \"" + path + "\" is " + what + ", and not a safetensors file",
          why, remedy};
}

/// The error for something that was found in place of the weights.
Error instead(const std::string& path, const std::string& what, const std::string& remedy) {
  return {ExitCode::io, path + " is " + what + ", and not the weights themselves", "so its first bytes tell",
          remedy};
}

void refuse_zip(const std::string& path, std::string_view bytes) {
  const auto first = first_in_zip(bytes);
  const std::string why = "a ZIP archive whose first file is " + first;
  if (first.ends_with("data.pkl"))
    throw foreign(path, "a file of PyTorch, as torch.save() writes it", why, conversion_of_checkpoint(path));
  if (first.find("/data/") != first.npos || first.find("/code/") != first.npos)
    throw foreign(path, "a network of TorchScript", why,
                  conversion(path, "torch.jit.load(sys.argv[1], 'cpu').state_dict()"));
  throw foreign(path, "a ZIP archive", why, "unpack it: unzip " + in_shell(path));
}

/// How files of one compression begin, and the program that unpacks them.
struct Compression {
  std::string_view magic;
  const char *name, *program;
};
constexpr Compression compressions[] = {{"\x1f\x8b"sv, "gzip", "gzip -dc"},
                                        {"\x28\xb5\x2f\xfd"sv, "zstd", "zstd -dc"},
                                        {"\xfd"
                                         "7zXZ\0"sv,
                                         "xz", "xz -dc"},
                                        {"BZh"sv, "bzip2", "bzip2 -dc"}};

struct Format {
  std::string_view magic;
  const char* name;
};
constexpr Format formats[] = {{"\x89HDF\r\n\x1a\n"sv, "an HDF5 file, as Keras writes it"},
                              {"\x93NUMPY"sv, "a NumPy array"},
                              {"GGUF"sv, "a GGUF file"},
                              {"lockpack"sv, "a packed data set of lockstep"}};

void refuse_text(const std::string& path, std::string_view bytes) {
  if (bytes.starts_with("\xef\xbb\xbf")) bytes.remove_prefix(3);  // the byte order mark of UTF-8
  std::string text(bytes);
  text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  std::ranges::transform(text, text.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  if (text.starts_with("version https://git-lfs.github.com/spec/")) {
    const auto folder = fs::path(path).parent_path().string(), name = fs::path(path).filename().string();
    throw instead(path, "a pointer of Git LFS",
                  "fetch them: git -C " + in_shell(folder.empty() ? "." : folder) + " lfs pull --include " +
                      in_shell(name) + ", or download the file itself");
  }
  if (text.starts_with("<!doctype") || text.starts_with("<html") || text.starts_with("<?xml"))
    throw instead(path, "a web page",
                  "download the file again, by the link to the file and not to a page about it (on "
                  "huggingface.co /resolve/ "
                  "instead of /blob/), and log in where that is asked");
  if (text.starts_with("{") || text.starts_with("["))
    throw foreign(path, "a JSON text", "so its first bytes tell",
                  "name a file of weights; of weights in several files, one that they have been joined in");
}

}  // namespace

std::string line_that_keeps(const std::string& path, const std::string& prefix) {
  return "python3 -c \"import sys, safetensors.torch as s; p = '" + prefix +
         "'; s.save_file({k[len(p):]: v for k, v in s.load_file(sys.argv[1]).items() if k.startswith(p)}, "
         "sys.argv[2])\" " +
         in_shell(path) + " " + in_shell(as_safetensors(path));
}

void refuse_foreign_file(const std::string& path) {
  constexpr std::size_t at_header = 8;
  const auto bytes = first_bytes_of(path);
  if (bytes.size() > at_header && bytes[at_header] == '{' && bytes[at_header - 1] == '\0')
    return;  // a safetensors file
  if (bytes.starts_with("PK\x03\x04")) refuse_zip(path, bytes);
  if (bytes.starts_with("\x80\x02\x8a\x0al\xfc\x9c\x46\xf9 j\xa8P\x19"))
    throw foreign(path, "a file of PyTorch, as torch.save() wrote it before version 1.6", "a pickle",
                  conversion_of_checkpoint(path));
  if (bytes.size() > 1 && bytes[0] == '\x80' && bytes[1] >= 2 && bytes[1] <= 5)
    throw foreign(path, "a pickle of Python", "so its first bytes tell", conversion_of_checkpoint(path));
  for (const auto& [magic, name, program] : compressions) {
    if (!bytes.starts_with(magic)) continue;
    const auto unpacked = fs::path(path).extension() == ".safetensors"
                              ? path + ".unpacked"
                              : fs::path(path).replace_extension().string();
    throw foreign(path, std::string("compressed with ") + name, "so its first bytes tell",
                  std::string("unpack it: ") + program + " " + in_shell(path) + " > " + in_shell(unpacked) +
                      ", and name the file that it writes");
  }
  for (const auto& [magic, name] : formats) {
    if (bytes.starts_with(magic))
      throw foreign(path, name, "so its first bytes tell",
                    "convert it to safetensors with the program that wrote it");
  }
  constexpr std::size_t at_tar = 257;
  if (bytes.size() > at_tar && std::string_view(bytes).substr(at_tar).starts_with("ustar"))
    throw foreign(path, "a tar archive", "so its first bytes tell", "unpack it: tar -xf " + in_shell(path));
  refuse_text(path, bytes);
}

}  // namespace lockstep
