// Apart from plan.cpp, which speaks to other ranks: a run folder asks for the hash alone.
#include "configs/print.hpp"
#include "worker/plan.hpp"

namespace lockstep {

Hash128 Plan::hash() const {
  return hash_text(result_json(config) + (grown_from.empty() ? "" : " grown from " + grown_from));
}

}  // namespace lockstep
