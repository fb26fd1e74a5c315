// lockstep-worker: one rank of a run. Started by mpirun or srun; alone it runs as one rank.
#include <poll.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
#include <span>

#include "collectives/mpi.hpp"
#include "collectives/mpi_transport.hpp"
#include "collectives/start_mpi.hpp"
#include "common/build_identity.hpp"
#include "common/filesystem_error.hpp"
#include "common/folder_lock.hpp"
#include "common/log.hpp"
#include "common/printable.hpp"
#include "configs/text.hpp"
#include "worker/check/check.hpp"
#include "worker/controller/controller.hpp"
#include "worker/data/pack.hpp"
#include "worker/ranks/agreement.hpp"
#include "worker/ranks/gpu_choice.hpp"
#include "worker/ranks/interruption.hpp"
#include "worker/ranks/out_of_memory.hpp"
#include "worker/ranks/program_identity.hpp"
#include "worker/train.hpp"
#include "worker/verify.hpp"
#include "worker/watch/gpu_failure.hpp"
#include "worker/watch/rank_progress.hpp"
#include "worker/watch/sentinel.hpp"

namespace lockstep {
namespace {

constexpr auto deadline_at_start =
    std::chrono::seconds(120);  // until the configuration says how long to wait
constexpr auto patience_with_peers = std::chrono::seconds(1);  // for all ranks to reach the same error

/// True when something that provides MPI's process management has started this process.
bool started_by_mpi() {
  for (const char* name : {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "PMI2_RANK"}) {
    if (std::getenv(name)) return true;
  }
  return false;
}

int run(MpiTransport& host, const Request& request, Controller& controller) {
  require_same_programs(host, request.command_line);
  const auto plan = controller.plan();
  if (plan.task == Task::train) {
    const auto hang_seconds = plan.config.reliability.hang_timeout_seconds;
    stamp_run(plan.output, host.rank(), static_cast<double>(hang_seconds));
  }
  host.tell_of_waiting(stamp_awaited);
  host.set_deadline(std::chrono::seconds(plan.config.reliability.collective_timeout_seconds));
  if (plan.task == Task::nothing) {
    controller.report().show_finished();
    return 0;
  }
  const auto aside = share_set_aside(host, plan.output);
  auto compute = choose_compute(host, plan.config, aside);
  controller.report().note_places(gather_places(host, compute));
  HostMemory memory(host, plan.config.distributed.shared_memory);
  if (host.rank() == memory.group().first && !memory.why_not().empty())
    log_warning("gradients go through MPI on " + host_name() + " too, which is slower (" + memory.why_not() +
                ")");
  Job job{host, memory, std::move(compute)};
  try {
    leave_if_asked(host);
    if (plan.task == Task::train) return train_run(job, controller.report(), plan);
    if (plan.task == Task::verify) return verify_run(job, controller.report(), plan, request);
    evaluate_run(job, controller.report(), plan);
    return 0;
  } catch (const Interrupted& interrupted) {
    leave_in_order_only();
    controller.report().note_stopped_early(interrupted.signal);
    return 128 + interrupted.signal;
  }
}

/// The same, and records a refused start for `lockstep why`.
int run(MpiTransport& host, const Request& request) {
  if (request.check) return check_hosts(host, request);
  Controller controller(host, request);
  try {
    return run(host, request, controller);
  } catch (const CollectiveError&) {  // another rank is missing; its status tells why
    throw;
  } catch (const Error& error) {
    controller.note_refused(error.exit_code(), error.what());
    throw;
  }
}

/// Leaves without MPI_Finalize, which would wait for a peer that may be gone or may not know of the error.
[[noreturn]] void leave_at_once(ExitCode code) {
  std::cout.flush();
  FolderLock::release_before_exit();
  _exit(static_cast<int>(code));
}

/// mpirun takes the first exit code that it sees for the run's, and ends the other ranks. That of the missing
/// rank says more than that of a rank that misses it, so this rank waits. A signal ends the wait.
void let_the_missed_rank_exit_first() {
  poll(nullptr, 0, static_cast<int>(std::chrono::milliseconds(patience_with_peers).count()));
}

[[noreturn]] void leave_without_gpu(int rank, const GpuFailure& failure) {
  say_gpu_failed(rank, failure);
  leave_at_once(ExitCode::gpu_failed);
}

/// Exits because memory ran out, the GPU failed, or lockstep has a bug.
[[noreturn]] void leave_for(int rank, const std::exception& error) {
  if (const auto why = why_no_memory(error)) {
    leave_out_of_memory(
        rank, *why,
        "give a smaller training.micro_batch_size (another run), or start fewer ranks on each host");
  }
  if (const auto failure = gpu_failure_in(error)) leave_without_gpu(rank, *failure);
  std::cerr << "rank " + std::to_string(rank) + " on " + host_name() +
                   ": internal error: " + printable(error.what(), LineFeeds::kept) + "\n"
            << std::flush;
  leave_at_once(ExitCode::bug);
}

int rank_of_process = 0;
std::terminate_handler previous_terminate_handler = nullptr;

/// Handles std::terminate(): destructors of LibTorch call CUDA too, and throw while a CUDA error already
/// unwinds the stack.
[[noreturn]] void terminate_handler() {
  try {
    if (const auto error = std::current_exception()) std::rethrow_exception(error);
  } catch (const std::exception& error) {
    leave_for(rank_of_process, error);
  } catch (...) {  // not thrown by lockstep or LibTorch
  }
  previous_terminate_handler();
  std::abort();
}

int run_ranks(const Request& request) {
  MpiTransport transport(MPI_COMM_WORLD, request.check ? deadline_of_check : deadline_at_start);
  const int rank = transport.rank();
  start_log(rank, /*to_terminal=*/rank == 0);
  rank_of_process = rank;
  previous_terminate_handler = std::set_terminate(terminate_handler);
  if (rank == 0 && std::getenv("LOCKSTEP_TELL_START"))
    std::cerr << "lockstep: the ranks are there\n" << std::flush;
  if (!started_by_mpi()) log_warning("started without mpirun or srun: running as one rank");
  ExitCode code = ExitCode::bug;
  try {
    return run(transport, request);
  } catch (const CollectiveError& error) {
    log_error(error.what());
    let_the_missed_rank_exit_first();
    leave_at_once(error.exit_code());
  } catch (const GpuFailure& failure) {
    leave_without_gpu(rank, failure);
  } catch (const Interrupted& interrupted) {  // in a check
    leave_in_order_only();
    return 128 + interrupted.signal;
  } catch (const ConfigError& error) {  // one problem a line, each with its place in front
    if (rank == 0) std::cerr << error.what() << std::endl;
    code = error.exit_code();
  } catch (const Error& error) {
    log_error(error.what());
    code = error.exit_code();
    if (code == ExitCode::out_of_memory) {  // only this rank has it
      if (rank != 0) say_on_this_rank(rank, error);
      leave_at_once(code);
    }
  } catch (const std::exception& error) {
    leave_for(rank, error);
  }
  if (!transport.all_leave_within(patience_with_peers)) leave_at_once(code);
  return static_cast<int>(code);
}

/// Needs no other rank, and no MPI.
int run_pack(const Request& request) {
  start_log(/*rank=*/0, /*to_terminal=*/true);
  end_when_asked();
  try {
    pack(request.pack[0], request.pack[1], request.settings);
    return 0;
  } catch (const ConfigError& error) {
    std::cerr << error.what() << std::endl;
    return static_cast<int>(error.exit_code());
  } catch (const Error& error) {
    log_error(error.what());
    return static_cast<int>(error.exit_code());
  } catch (const std::filesystem::filesystem_error& error) {
    const auto as_error = file_error(error);
    log_error(as_error.what());
    return static_cast<int>(as_error.exit_code());
  } catch (const std::exception& error) {
    std::cerr << "internal error: " << printable(error.what(), LineFeeds::kept) << std::endl;
    return static_cast<int>(ExitCode::bug);
  }
}

Request parse(CLI::App& app, int argc, char** argv) {
  Request request;
  for (const std::string word : std::span(argv + 1, argc - 1)) request.command_line += word + " ";
  app.set_version_flag("--version", build_identity());
  app.add_option("CONFIG", request.config, "The TOML file of the run");
  app.add_option("--set", request.settings, "Override one value of the file: section.key=value (repeatable)")
      ->allow_extra_args(false);
  app.add_option("--output", request.output, "The run folder; by default runs/NAME");
  app.add_flag("--fresh", request.fresh, "Start over in a new folder, and keep the old one");
  app.add_option("--eval", request.run_to_evaluate,
                 "Repeat the test accuracy of the run in this folder instead");
  app.add_option("--verify", request.run_to_verify,
                 "Compute parts of the run in this folder again and compare bit by bit instead");
  app.add_option("--segments", request.segments, "With --verify: how many parts between two checkpoints")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--seed", request.choice, "With --verify: chooses the parts; by default the run's own seed")
      ->check(CLI::NonNegativeNumber);
  app.add_flag("--from-start", request.from_start,
               "With --verify: the steps before the first checkpoint too");
  app.add_option("--data", request.data, "With --eval and --verify: where the data of the run lie now");
  app.add_flag("--check", request.check, "Look at hosts and configuration instead, and train nothing");
  app.add_option("--pack", request.pack, "Write the data set DATA as the packed file OUT instead")
      ->expected(2);
  app.footer(
      "Examples:\n"
      "  mpirun -np 2 --bind-to none lockstep-worker configs/quickstart.toml\n"
      "  SLURM_PMIX_FENCE=ring srun --mpi=pmix lockstep-worker configs/quickstart.toml --output "
      "/shared/runs/1\n"
      "  lockstep-worker configs/quickstart.toml --set training.max_steps=20\n"
      "  mpirun -np 2 lockstep-worker --eval runs/quickstart\n"
      "  mpirun -np 2 lockstep-worker --check configs/quickstart.toml\n"
      "  mpirun -np 2 lockstep-worker --verify runs/quickstart\n"
      "Exit status: 0, 1 usage, 2 config, 3 peer lost, 4 I/O, 5 bug, 6 diverged, 7 corrupt, 8 out of memory, "
      "9 GPU failed, 128 + signal after an orderly stop.");
  app.parse(argc, argv);
  const auto tasks = (request.check || !request.config.empty()) + !request.run_to_evaluate.empty() +
                     !request.run_to_verify.empty() + !request.pack.empty();
  if (tasks != 1) throw CLI::RequiredError("one of CONFIG, --eval, --verify, --check and --pack");
  if (!request.data.empty() && request.run_to_evaluate.empty() && request.run_to_verify.empty())
    throw CLI::RequiredError("--eval or --verify with --data");
  return request;
}

}  // namespace
}  // namespace lockstep

int main(int argc, char** argv) {
  using namespace lockstep;
  // The reader of the output may exit first, and mpirun may be killed: neither may end the run.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);  // writing then fails with EFBIG, which is reported
  CLI::App app("lockstep-worker: one rank of a data-parallel training run.", "lockstep-worker");
  Request request;
  for (const std::string word : std::span(argv, argc)) {
    if (is_utf8(word)) continue;
    std::cerr << "an argument is not UTF-8: " << on_one_line(word)
              << " (it would go into JSON and TOML files)\n";
    return static_cast<int>(ExitCode::config);
  }
  try {
    request = parse(app, argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitCode::usage);
  }
  if (!request.pack.empty()) return run_pack(request);
  fork_sentinel();
  catch_ending_signals();
  // Without mpirun, Open MPI would start a daemon of its own, which nothing here needs.
  if (!started_by_mpi()) setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow is a write error, like a full disk
  start_mpi(&argc, &argv);
  stamp_segments();
  catch_ending_signals();  // again: MPI_Init may install handlers
  const int status = run_ranks(request);
  MPI_Finalize();
  kill(getppid(), SIGCONT);  // the sentinel, which exits after this process, may have been stopped
  return status;
}
