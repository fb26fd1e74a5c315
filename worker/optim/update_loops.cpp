#include "worker/optim/update_loops.hpp"

namespace lockstep {
namespace {

/// By value, so that the compiler knows that the loop does not write what it reads from them.
template <class Element, bool averaged>
void update_piece(const ShardArrays arrays, const StepNumbers numbers, const Factors factors,
                  std::int64_t begin, std::int64_t end) {
#pragma GCC ivdep  // elements are independent of each other
  for (std::int64_t i = begin; i < end; ++i) update_element<Element, averaged>(arrays, numbers, factors, i);
}

template <class Element, bool averaged>
void update_pieces(const UpdateJob& job) {
  for (std::int64_t p = 0; p < job.count; ++p) {
    const auto& piece = job.pieces[p];
    update_piece<Element, averaged>(job.arrays, job.numbers,
                                    job.factors != nullptr ? job.factors[piece.entry] : Factors(),
                                    piece.offset, piece.offset + piece.count);
  }
}

}  // namespace

void update_in_host_memory(UpdateRule rule, bool averaged, const UpdateJob& job) {
  with_element(rule, [&]<class Element>(Element) {
    averaged ? update_pieces<Element, true>(job) : update_pieces<Element, false>(job);
  });
}

}  // namespace lockstep
