// all_reduce_bench: the deterministic all-reduce compared with MPI_Allreduce and with copying the same number
// of bytes.
//   mpirun -np 2 all_reduce_bench [--repetitions 15] [--bytes N,N,...] [--only MEASURE] [--apart]
// Prints a JSON line for each measure and size. --apart: ranks share no memory. In one repetition each
// measure runs once, from a barrier until the last rank is done; small sizes are repeated within it.
// measure has its turn, from a barrier until the last rank is done; small sizes are repeated within it.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstring>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "collectives/all_gather.hpp"
#include "collectives/host_reduction.hpp"
#include "collectives/mpi.hpp"
#include "collectives/start_mpi.hpp"

namespace lockstep {
namespace {

struct Settings {
  int repetitions = 15;
  std::vector<std::int64_t> bytes;
  std::string only;
  std::int64_t bucket = std::int64_t{1} << 18;
  bool apart = false;
};

/// Seconds per call, averaged over `times` calls, from a barrier until the last rank is done. Collective.
template <class Action>
double seconds_of(int times, Action&& action) {
  MPI_Barrier(MPI_COMM_WORLD);
  const double start = MPI_Wtime();
  for (int i = 0; i < times; ++i) action();
  const double own = MPI_Wtime() - start;
  double slowest = 0;
  MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
  return slowest / times;
}

/// An all-reduce: in the end all ranks hold the whole sum, in memory that the ranks of a host share.
class Sum {
 public:
  Sum(HostMemory& host, std::int64_t elements, std::int64_t bucket)
      : host_(host), result_(host.allocate(sizeof(float) * static_cast<std::size_t>(elements))) {
    const int world_size = host.transport().world_size();
    for (int r = 0; r < world_size; ++r) {
      shards_.push_back(rank_range(elements, r, world_size));
      bytes_.push_back({shards_[r].begin * 4, shards_[r].end * 4});
    }
    reduction_ = std::make_unique<HostReduction>(host, ReductionShape{world_size, shards_, elements}, bucket);
    std::fill_n(reduction_->buffers()[0], elements, 1.0F);
  }
  void operator()() {
    reduction_->start(reinterpret_cast<float*>(result_.data()) + shards_[host_.transport().rank()].begin);
    reduction_->send({});
    reduction_->finish();
    if (host_.groups().size() > 1) all_gather(host_, result_.data(), bytes_);
  }

 private:
  HostMemory& host_;
  SharedBlock result_;
  std::vector<Range> shards_, bytes_;
  std::unique_ptr<HostReduction> reduction_;
};

void measure(HostMemory& host, const Settings& settings, std::int64_t bytes) {
  const auto elements = bytes / 4;
  const int world_size = host.transport().world_size();
  Sum sum(host, elements, settings.bucket);
  std::vector<float> from(elements, 1), to(elements);
  // A rank reads its shard of N arrays and writes it once: the same traffic as copying (N + 1) / 2 shards.
  const auto copied = static_cast<std::size_t>(bytes * (world_size + 1) / (2 * world_size));
  const int times = static_cast<int>(std::clamp<std::int64_t>((std::int64_t{1} << 20) / bytes, 1, 50));
  std::map<std::string, std::vector<double>> seconds;
  for (int repetition = -2; repetition < settings.repetitions; ++repetition) {
    std::map<std::string, double> once;
    const auto measured = [&](const std::string& what, auto&& action) {
      if (settings.only.empty() || settings.only == what) once[what] = seconds_of(times, action);
    };
    measured("lockstep", sum);
    measured("mpi_allreduce", [&] {
      MPI_Allreduce(from.data(), to.data(), static_cast<int>(elements), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
    });
    measured("memcpy_floor", [&] { std::memcpy(to.data(), from.data(), copied); });
    for (const auto& [what, value] : once) {
      if (repetition >= 0) seconds[what].push_back(value);  // the others touch the memory first
    }
  }
  if (host.transport().rank() != 0) return;
  for (auto& [what, values] : seconds) {
    auto sorted = values;
    std::ranges::sort(sorted);
    std::cout << nlohmann::json{{"what", what},
                                {"bytes", bytes},
                                {"ranks", world_size},
                                {"hosts", host.groups().size()},
                                {"seconds_median", sorted[sorted.size() / 2]},
                                {"seconds", values}}
              << std::endl;
  }
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  Settings settings;
  CLI::App app("all_reduce_bench: the deterministic sum beside MPI_Allreduce and memcpy.");
  app.add_option("--repetitions", settings.repetitions);
  app.add_option("--bytes", settings.bytes, "sizes of the buffer; by default 4 KiB to 256 MiB")
      ->delimiter(',');
  app.add_option("--only", settings.only, "lockstep, mpi_allreduce or memcpy_floor");
  app.add_option("--bucket", settings.bucket, "elements sent and added at a time");
  app.add_flag("--apart", settings.apart, "ranks of a host share no memory");
  CLI11_PARSE(app, argc, argv);
  start_mpi(&argc, &argv);
  {
    MpiTransport transport(MPI_COMM_WORLD, std::chrono::seconds(120));
    HostMemory host(transport, !settings.apart);
    if (settings.bytes.empty()) {
      for (auto bytes = std::int64_t{4096}; bytes <= std::int64_t{256} << 20; bytes *= 4)
        settings.bytes.push_back(bytes);
    }
    for (const auto bytes : settings.bytes) measure(host, settings, bytes);
  }
  MPI_Finalize();
}
