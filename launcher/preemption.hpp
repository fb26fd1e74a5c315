// How a run under Slurm ends before its time: how long it has to save, and whether its job goes on by itself.
// slurm/README.md says which signals Slurm sends when.
#pragma once

#include <optional>
#include <string>

#include "launcher/slurm.hpp"

namespace lockstep {

/// The seconds between the request to end and the kill, the shortest that the job may meet. `config` and
/// `partition` are what `scontrol show config` and `scontrol show partition` print; `lead` is that of the
/// job's --signal, if it has one. Before the time limit that is `lead`, else KillWait; in front of a job that
/// takes its place, the partition's GraceTime, else KillWait. Nothing when Slurm does not tell.
std::optional<double> grace_seconds(const std::string& config, const std::string& partition,
                                    std::optional<double> lead);

/// The same, asked of Slurm for this job; the lead comes from LOCKSTEP_SIGNAL_SECONDS, which the script of
/// `lockstep submit` sets.
std::optional<double> grace_seconds(const SlurmJob& job);

/// Whether the job of a run that `signal` has ended in an orderly way is to run again. `job` is what
/// `scontrol show job` prints.
enum class Sequel {
  none,     ///< somebody ended it who wanted it to end
  requeue,  ///< Slurm ended it, and would let it go on
  refused,  ///< Slurm ended it, and the job may not be requeued (an salloc, or --no-requeue)
};
Sequel sequel_of(int signal, const std::string& job);

/// Requeues the job if that is its sequel, and says so on standard error.
void requeue_if_preempted(const SlurmJob& job, int signal);

}  // namespace lockstep
