// Feeds the readers the kept inputs and mutations of them, without libFuzzer:
//   fuzz_replay MUTATIONS FOLDER...   each FOLDER has a folder of files for each target
//   fuzz_replay TARGET FILE           one file, unchanged
// On an error, names the target and keeps the bytes as a file in the current folder.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "common/log.hpp"
#include "target.hpp"

using namespace lockstep::fuzz;

namespace {

namespace fs = std::filesystem;
using Content = std::vector<std::uint8_t>;

constexpr unsigned most_seconds = 10;
constexpr rlim_t most_memory = rlim_t{1280} << 20;  // 1 GiB for the reader, the rest for the program itself
constexpr std::size_t longest = 8192;               // of a mutated input; kept inputs may be longer

// The target being read, for the signal handler.
const Target* reading = nullptr;
const Content* content = nullptr;

/// Signal handler: it allocates nothing.
void keep_and_leave(int signal) {
  char name[128];
  const int length = std::snprintf(name, sizeof name, "crash-%s", reading ? reading->name.data() : "none");
  const int file = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  bool kept = file >= 0 && content && write(file, content->data(), content->size()) >= 0;
  const auto parts = {"\nsignal ", sigdescr_np(signal), "; the bytes are in ", static_cast<const char*>(name),
                      "\n"};
  for (const char* part : parts) kept = write(2, part, strlen(part)) >= 0 && kept;
  _exit(kept && length > 0 ? 3 : 4);
}

void watch() {
  static char stack[1 << 16];
  const stack_t alternative{.ss_sp = stack, .ss_flags = 0, .ss_size = sizeof stack};
  sigaltstack(&alternative, nullptr);
  struct sigaction action {};
  action.sa_handler = keep_and_leave;
  action.sa_flags = SA_ONSTACK;
  for (const int signal : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM})
    sigaction(signal, &action, nullptr);
#ifndef __SANITIZE_ADDRESS__  // which reserves terabytes of addresses
  const rlimit memory{most_memory, most_memory};
  setrlimit(RLIMIT_AS, &memory);
#endif
}

void give(const Target& target, const Content& bytes) {
  reading = &target;
  content = &bytes;
  alarm(most_seconds);
  feed(target, bytes);
  alarm(0);
}

Content content_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Makes the same mutations on every machine, so that a failure can be reproduced anywhere.
class Mutator {
 public:
  explicit Mutator(std::string_view name) : random_(std::hash<std::string_view>{}(name)) {}

  Content changed(const std::vector<Content>& all) {
    Content bytes = all[below(all.size())];
    for (std::size_t i = 0; i < 1 + below(4); ++i) change(bytes, all[below(all.size())]);
    bytes.resize(std::min(bytes.size(), longest));
    return bytes;
  }

 private:
  std::size_t below(std::size_t end) { return end == 0 ? 0 : random_() % end; }

  void change(Content& bytes, const Content& other) {
    static constexpr std::uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '[', '{', '"', '-', '9', '\n', '/'};
    const auto at = below(bytes.size() + 1);
    const auto length = std::min(bytes.size() - at, 1 + below(16));
    const auto begin = bytes.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:
        if (at < bytes.size()) bytes[at] ^= static_cast<std::uint8_t>(1 << below(8));
        break;
      case 1:
        if (at < bytes.size()) bytes[at] = telling[below(sizeof telling)];
        break;
      case 2:
        bytes.erase(begin, begin + static_cast<std::ptrdiff_t>(length));
        break;
      case 3:
        bytes.insert(begin, 1 + below(300), telling[below(sizeof telling)]);
        break;
      case 4: {
        const Content again(begin, begin + static_cast<std::ptrdiff_t>(length));
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(below(bytes.size() + 1)), again.begin(),
                     again.end());
        break;
      }
      case 5:
        std::fill_n(begin, length, telling[below(sizeof telling)]);
        break;
      default: {  // the front of this input, the end of another
        bytes.resize(at);
        const auto from = below(other.size() + 1);
        bytes.insert(bytes.end(), other.begin() + static_cast<std::ptrdiff_t>(from), other.end());
      }
    }
  }

  std::mt19937_64 random_;
};

int replay_all(int mutations, std::span<char*> folders) {
  for (const auto& target : targets()) {
    std::vector<Content> all;
    for (const char* const folder : folders) {
      std::error_code none;
      std::vector<fs::path> paths;
      for (const auto& item : fs::directory_iterator(fs::path(folder) / target.name, none))
        paths.push_back(item);
      std::ranges::sort(paths);
      for (const auto& path : paths) all.push_back(content_of(path));
    }
    if (all.empty()) {
      std::fprintf(stderr, "%s has no seeds\n", target.name.data());
      return 1;
    }
    for (const auto& bytes : all) give(target, bytes);
    Mutator mutator(target.name);
    for (int i = 0; i < mutations; ++i) give(target, mutator.changed(all));
    std::printf("%-16s %zu kept, %d changed\n", target.name.data(), all.size(), mutations);
    std::fflush(stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: fuzz_replay MUTATIONS FOLDER... or fuzz_replay TARGET FILE\n");
    return 1;
  }
  lockstep::start_log(0, false);
  watch();
  char* end = nullptr;
  const auto mutations = static_cast<int>(std::strtol(argv[1], &end, 10));
  if (*end == '\0') return replay_all(mutations, std::span(argv + 2, argv + argc));
  const auto* const target = target_named(argv[1]);
  if (!target) return 1;
  give(*target, content_of(argv[2]));
  return 0;
}
