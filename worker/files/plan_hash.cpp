#include "worker/files/plan_hash.hpp"

#include "configs/print.hpp"

namespace lockstep {

Hash128 plan_hash(const Config& config, const std::string& grown_from) {
  return hash_text(result_json(config) + (grown_from.empty() ? "" : " grown from " + grown_from));
}

}  // namespace lockstep
