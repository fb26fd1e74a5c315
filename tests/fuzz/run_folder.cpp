// The files of a run folder, and weights files written by others.
#include "worker/files/run_folder.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>
#include <vector>

#include "common/diagnosis.hpp"
#include "common/rank_status.hpp"
#include "common/set_aside.hpp"
#include "file.hpp"
#include "launcher/failed_gpus.hpp"
#include "launcher/post_mortem.hpp"
#include "worker/files/checkpoint_folder.hpp"
#include "worker/files/file.hpp"
#include "worker/files/safetensors.hpp"

namespace lockstep::fuzz {
namespace {

using nlohmann::json;

}  // namespace

/// Lines: statuses of ranks, alternately from an earlier and a later look.
void read_statuses(Bytes bytes) {
  std::vector<RankStatus> before, now;
  std::istringstream lines(text_of(bytes));
  std::string line;
  for (int count = 0; count < 32 && std::getline(lines, line); ++count) {
    if (auto status = rank_status_from_text(line)) (count % 2 ? now : before).push_back(*status);
  }
  for (auto* statuses : {&before, &now}) std::ranges::sort(*statuses, {}, &RankStatus::rank);
  for (const auto& finding : diagnose(before, now, 3)) {
    if (finding.ranks.empty()) broken("a finding without a rank");
    describe(finding, "/nowhere");
  }
  is_under_way(before, now);
  failed_gpus(now, std::vector<Host>{{"a", 2}});
  for (const auto& status : now)
    if (!rank_status_from_text(to_text(status))) broken("a status that cannot be read again");
}

void read_what_is_set_aside(Bytes bytes) {
  const auto aside = set_aside_in(text_of(bytes));
  aside.gpus_left();
  for (const auto& gpu : aside.gpus) aside.visible_devices(gpu.host, gpu.shown);
  std::vector<Host> hosts{{"localhost", 8}, {"n1.cluster", 8}};
  for (const auto& gone : aside.hosts) hosts.push_back({gone.host, 8});
  lower_slots(hosts, aside);
}

/// The manifest as it is, and with its hash corrected.
void read_manifest_file(Bytes bytes) {
  const auto read = [](Bytes text) {
    const MemoryFile file(text);
    try {
      read_manifest(file.path());
    } catch (const Error&) {
    }
  };
  read(bytes);
  if (nesting_of(bytes) > 100) return;
  const auto object = json::parse(bytes.begin(), bytes.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return;
  std::string sealed;
  try {
    sealed = sealed_manifest(object).dump();
  } catch (const json::exception&) {  // of bytes that are not UTF-8
    return;
  }
  read({reinterpret_cast<const std::uint8_t*>(sealed.data()), sealed.size()});
}

/// The first byte says whether the file is read as it is or with its header length corrected.
void read_safetensors(Bytes bytes) {
  if (bytes.empty()) return;
  const auto rest = bytes.subspan(1);
  std::vector<std::uint8_t> content(rest.begin(), rest.end());
  if (bytes[0] & 1) {
    const auto data = std::min<std::size_t>(bytes[0] >> 1, rest.size());
    const auto length = rest.size() - data;
    for (int i = 7; i >= 0; --i)
      content.insert(content.begin(), static_cast<std::uint8_t>(length >> (8 * i)));
  }
  const MemoryFile on_disk(content);
  const auto tensors = tensors_in(on_disk.path());
  PartFile file(on_disk.path(), PartFile::Mode::read);
  for (const auto& [name, tensor] : tensors) {
    if (tensor.begin < 0 || tensor.end < tensor.begin || tensor.end > std::ssize(content))
      broken("bytes outside of the file");
    std::vector<char> values(static_cast<std::size_t>(tensor.end - tensor.begin));
    file.read(values.data(), std::ssize(values), tensor.begin);
  }
}

/// metrics.jsonl and result.json of a run that is resumed.
void read_metrics_and_result(Bytes bytes) {
  static const ResolvedConfig defaults = load_defaults();
  static RunFolder run(scratch_folder() + "/run", defaults, false);
  for (const auto* name : {"/metrics.jsonl", "/result.json"}) write(run.path() + name, bytes);
  run.finished(defaults.config);
  run.rewind_metrics(3);
}

}  // namespace lockstep::fuzz
