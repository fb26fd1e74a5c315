// The race detector: happens-before by vector clocks (Lamport 1978; Fidge 1988; Flanagan and Freund,
// FastTrack, 2009), per stream, event and thread, over ranges of memory. It does not depend on the actual
// timing: it also finds accesses that happened in the right order without anything that guarantees it.
#include <dlfcn.h>
#include <elf.h>
#include <execinfo.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>

#include "tests/support/ghost_gpu/ghost.hpp"

namespace lockstep::ghost {
namespace {

constexpr int race_exit_code = 97;
constexpr std::size_t frames_told = 6;
constexpr std::size_t longest_name = 160;

/// Which operation, and the code that queued it.
struct Place {
  std::string what;
  int agent = 0;
  bool writes = false;
  std::array<void*, 24> frames{};
  int frame_count = 0;
};

struct Moment {
  int agent;
  unsigned long long time;
  std::shared_ptr<const Place> place;
};

/// A range of memory whose elements have the same history of accesses.
struct Segment {
  std::uintptr_t end = 0;
  std::vector<Moment> writes;  ///< the last one, or none
  std::vector<Moment> reads;   ///< since then, the last of each agent
};

std::map<std::uintptr_t, Segment>& segments() {
  static std::map<std::uintptr_t, Segment> segments;
  return segments;
}

/// The names of this program's functions; dladdr() knows only those that are exported.
class OwnSymbols {
 public:
  OwnSymbols() {
    const int file = open("/proc/self/exe", O_RDONLY);
    struct stat status {};
    if (file < 0 || fstat(file, &status) != 0) return;
    const auto* const image = static_cast<const char*>(
        mmap(nullptr, static_cast<std::size_t>(status.st_size), PROT_READ, MAP_PRIVATE, file, 0));
    close(file);
    const auto& header = *reinterpret_cast<const Elf64_Ehdr*>(image);
    const auto* const sections = reinterpret_cast<const Elf64_Shdr*>(image + header.e_shoff);
    for (int i = 0; i < header.e_shnum; ++i) {
      if (sections[i].sh_type != SHT_SYMTAB) continue;
      const char* const names = image + sections[sections[i].sh_link].sh_offset;
      const auto* const symbols = reinterpret_cast<const Elf64_Sym*>(image + sections[i].sh_offset);
      for (std::size_t s = 0; s < sections[i].sh_size / sizeof(Elf64_Sym); ++s) {
        if (ELF64_ST_TYPE(symbols[s].st_info) == STT_FUNC && symbols[s].st_size > 0)
          functions_[symbols[s].st_value] = {symbols[s].st_value + symbols[s].st_size,
                                             names + symbols[s].st_name};
      }
    }
  }

  std::string name_at(std::uintptr_t offset) const {
    const auto after = functions_.upper_bound(offset);
    if (after == functions_.begin()) return "";
    const auto& [end, name] = std::prev(after)->second;
    return offset < end ? name : "";
  }

 private:
  std::map<std::uintptr_t, std::pair<std::uintptr_t, std::string>> functions_;
};

std::string function_at(void* address) {
  static const OwnSymbols own;
  Dl_info info{};
  if (dladdr(address, &info) == 0) return "";
  if (info.dli_sname != nullptr) return demangled(info.dli_sname).substr(0, longest_name);
  const auto offset =
      reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  return demangled(own.name_at(offset)).substr(0, longest_name);
}

void tell(const char* heading, const Place& place) {
  std::fprintf(stderr, "  %s: %s %s, agent %d\n", heading, place.what.c_str(),
               place.writes ? "writes" : "reads", place.agent);
  std::size_t told = 0;
  for (int i = 0; i < place.frame_count && told < frames_told; ++i) {
    const auto name = function_at(place.frames[i]);
    if (name.empty() || name.find("lockstep::ghost") != std::string::npos) continue;
    std::fprintf(stderr, "      %s\n", name.c_str());
    ++told;
  }
}

[[noreturn]] void tell_race(const Place& earlier, const Place& later, std::uintptr_t begin,
                            std::uintptr_t end) {
  std::fprintf(stderr, "ghost: race: nothing orders two accesses to %zu bytes at %#zx\n",
               static_cast<std::size_t>(end - begin), static_cast<std::size_t>(begin));
  tell("one", earlier);
  tell("other", later);
  std::fflush(stderr);
  _exit(race_exit_code);
}

/// Splits the segment that contains `address`, if any, so that one begins there.
void split_at(std::uintptr_t address) {
  auto& all = segments();
  const auto after = all.upper_bound(address);
  if (after == all.begin()) return;
  const auto found = std::prev(after);
  if (found->first == address || found->second.end <= address) return;
  all[address] = found->second;
  found->second.end = address;
}

void access(Segment& segment, std::uintptr_t begin, const std::shared_ptr<const Place>& place,
            const Clock& clock) {
  const auto compare = [&](const std::vector<Moment>& earlier) {
    for (const auto& moment : earlier) {
      if (!clock.has_reached(moment.agent, moment.time)) tell_race(*moment.place, *place, begin, segment.end);
    }
  };
  compare(segment.writes);
  if (place->writes) compare(segment.reads);
  const Moment now{place->agent, clock.times[place->agent], place};
  if (place->writes) {
    segment.writes = {now};
    segment.reads.clear();
    return;
  }
  std::erase_if(segment.reads, [&](const Moment& moment) { return moment.agent == now.agent; });
  segment.reads.push_back(now);
}

}  // namespace

void check_accesses(const std::string& what, int agent, const Clock& clock,
                    const std::vector<Access>& accesses) {
  static const bool wanted = number_from("GHOST_RACES", 1) != 0;
  if (!wanted || accesses.empty()) return;
  auto& all = segments();
  Place place{.what = what, .agent = agent};
  place.frame_count = backtrace(place.frames.data(), static_cast<int>(place.frames.size()));
  for (const bool writes : {false, true}) {  // an operation may write what it reads itself
    place.writes = writes;
    const auto shared = std::make_shared<const Place>(place);
    for (const auto& part : accesses) {
      if (part.writes != writes || part.bytes == 0) continue;
      auto begin = reinterpret_cast<std::uintptr_t>(part.begin);
      const auto end = begin + part.bytes;
      split_at(begin);
      split_at(end);
      while (begin < end) {
        auto found = all.lower_bound(begin);
        if (found == all.end() || found->first > begin) {
          const auto next = found == all.end() ? end : std::min(end, found->first);
          found = all.emplace(begin, Segment{next, {}, {}}).first;
        }
        access(found->second, begin, shared, clock);
        begin = found->second.end;
      }
    }
  }
}

void forget_accesses(const void* begin, std::size_t bytes) {
  const auto from = reinterpret_cast<std::uintptr_t>(begin);
  split_at(from);
  split_at(from + bytes);
  auto& all = segments();
  all.erase(all.lower_bound(from), all.lower_bound(from + bytes));
}

}  // namespace lockstep::ghost
