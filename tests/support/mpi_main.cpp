// main() of the tests that run under mpirun. All ranks run the same tests in the same order. A fatal failure
// on one rank ends all ranks at once, since the others would wait for it. A run without any test is a
// failure. Only rank 0 prints the tests that pass.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "collectives/mpi.hpp"

namespace {

class RankListener : public testing::EmptyTestEventListener {
 public:
  explicit RankListener(int rank) : rank_(rank) {}

 private:
  void OnTestStart(const testing::TestInfo& test) override { test_ = test.name(); }
  void OnTestEnd(const testing::TestInfo&) override { test_ = "outside of a test"; }
  // GoogleTest holds its lock here: asking it for the current test would deadlock.
  void OnTestPartResult(const testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d, %s: %s:%d\n%s\n", rank_, test_,
                 result.file_name() != nullptr ? result.file_name() : "?", result.line_number(),
                 result.message());
    std::fflush(stderr);
    if (result.fatally_failed()) MPI_Abort(MPI_COMM_WORLD, EXIT_FAILURE);
  }

  int rank_;
  const char* test_ = "outside of a test";
};

}  // namespace

int main(int argc, char** argv) {
  int threads = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_SERIALIZED, &threads);
  testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  auto& listeners = testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) delete listeners.Release(listeners.default_result_printer());
  listeners.Append(new RankListener(rank));
  int failed = RUN_ALL_TESTS();
  if (testing::UnitTest::GetInstance()->test_to_run_count() == 0) {
    std::fprintf(stderr, "rank %d: no test was run\n", rank);
    failed = 1;
  }
  int failed_anywhere = 0;
  MPI_Allreduce(&failed, &failed_anywhere, 1, MPI_INT, MPI_LOR, MPI_COMM_WORLD);
  MPI_Finalize();
  return failed_anywhere;
}
