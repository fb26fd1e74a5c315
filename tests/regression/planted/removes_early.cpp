// A planted mistake, to test the tests: replaces worker/files/checkpoint_folder.cpp and removes the newest
// checkpoint before it publishes the next one, not after.
#define publish_checkpoint publish_in_order
#include "worker/files/checkpoint_folder.cpp"
#undef publish_checkpoint

namespace lockstep {

void publish_checkpoint(const std::string& folder, const nlohmann::json& manifest, std::int64_t keep) {
  const auto published = published_checkpoints(folder);
  if (!published.empty()) std::filesystem::remove_all(std::filesystem::path(folder) / published.front());
  publish_in_order(folder, manifest, keep);
}

}  // namespace lockstep
