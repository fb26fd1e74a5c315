#include "worker/data/class_notes.hpp"

namespace lockstep {
namespace {

constexpr std::size_t most_named_classes = 5;

/// "2 of 10 classes have no test image: cat, dog"; "" where all have one.
std::string missing(std::span<const ImageRecord> records, const char* part, std::int64_t classes,
                    const std::vector<std::string>& names) {
  std::vector<bool> there(static_cast<std::size_t>(classes));
  for (const auto& record : records) there[static_cast<std::size_t>(record.label)] = true;
  std::string named;
  std::size_t count = 0;
  for (std::size_t label = 0; label < there.size(); ++label) {
    if (there[label] || ++count > most_named_classes) continue;
    named += (named.empty() ? "" : ", ") + (names.empty() ? std::to_string(label) : names[label]);
  }
  if (count == 0) return "";
  return std::to_string(count) + " of " + std::to_string(classes) + " classes have no " + part +
         " image: " + named + (count > most_named_classes ? ", ..." : "");
}

}  // namespace

std::vector<std::string> notes_on_classes(std::span<const ImageRecord> train,
                                          std::span<const ImageRecord> test, std::int64_t classes,
                                          const std::vector<std::string>& names, std::int64_t train_samples,
                                          std::int64_t test_samples) {
  std::vector<std::string> notes;
  const auto learned = train_samples > 0 ? "" : missing(train, "training", classes, names);
  const auto tested = test_samples > 0 ? "" : missing(test, "test", classes, names);
  if (!learned.empty()) notes.push_back(learned + " (they cannot be learned)");
  if (!tested.empty()) notes.push_back(tested + " (the accuracy says nothing of them)");
  return notes;
}

}  // namespace lockstep
