// The kernels for the updates and the sums of squares of a shard. C++17 and without CUDA headers, because
// nvcc reads it too, and so do tests without a GPU (tests/support/nccl_double).
#pragma once

#include "worker/optim/lanes.hpp"
#include "worker/optim/rules.hpp"

namespace lockstep {

/// One rule over some pieces of a shard. On a GPU, all pointers are to GPU memory.
struct UpdateJob {
  ShardArrays arrays;
  StepNumbers numbers;
  const Piece* pieces;
  const Factors* factors;  ///< indexed by layout entry; null for rules that need none
  std::int64_t count;      ///< of pieces, at least 1
};

/// The sum of squares of each piece. `lane_sums`: scratch memory, [count, lanes].
struct SquaresJob {
  const float* values;  ///< from the shard's first element on
  const Piece* pieces;
  std::int64_t count;  ///< of pieces, at least 1
  double* lane_sums;
  double* sums;  ///< [count]
};

inline constexpr int update_threads = 256;  ///< per thread block; each block updates one piece

/// The whole work of one thread.
template <class Element, bool averaged>
LOCKSTEP_HOST_DEVICE inline void update_thread(const UpdateJob& job, std::int64_t block, int thread) {
  const Piece piece = job.pieces[block];
  const Factors factors = job.factors != nullptr ? job.factors[piece.entry] : Factors();
  for (std::int64_t i = thread; i < piece.count; i += update_threads) {
    update_element<Element, averaged>(job.arrays, job.numbers, factors, piece.offset + i);
  }
}

/// The whole work of one thread: lane `index` % lanes of piece `index` / lanes.
LOCKSTEP_HOST_DEVICE inline void lane_thread(const SquaresJob& job, std::int64_t index) {
  if (index >= job.count * lanes) return;
  const Piece piece = job.pieces[index / lanes];
  double lane = 0;
  for (std::int64_t i = index % lanes; i < piece.count; i += lanes) {
    lane = with_square(lane, job.values[piece.offset + i]);
  }
  job.lane_sums[index] = lane;
}

/// The whole work of one thread, after all lane_thread(): the sum of piece `index`.
LOCKSTEP_HOST_DEVICE inline void fold_thread(const SquaresJob& job, std::int64_t index) {
  if (index < job.count) job.sums[index] = sum_of_lanes(job.lane_sums + index * lanes);
}

/// Launch the kernels on the legacy default stream, on which LibTorch computes. Return 0, or the error code
/// of the CUDA runtime.
int launch_update(UpdateRule rule, bool averaged, const UpdateJob& job);
int launch_squares(const SquaresJob& job);

}  // namespace lockstep
