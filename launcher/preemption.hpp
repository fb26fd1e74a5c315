// Runs that Slurm ends early: how long they have to save, and whether the job is requeued. slurm/README.md
// lists which signals Slurm sends when.
#pragma once

#include <optional>
#include <string>

#include "launcher/slurm.hpp"

namespace lockstep {

/// The shortest time in seconds between a request to end and the kill. At the time limit it is `lead`, that
/// of the job's --signal, or else KillWait; at preemption it is the partition's GraceTime, or else KillWait.
/// `config` and `partition` are the output of `scontrol show config` and `scontrol show partition`. Nothing
/// if Slurm does not tell.
std::optional<double> grace_seconds(const std::string& config, const std::string& partition,
                                    std::optional<double> lead);

/// The same for this job, by asking Slurm; the lead is LOCKSTEP_SIGNAL_SECONDS, which the script of
/// `lockstep submit` sets.
std::optional<double> grace_seconds(const SlurmJob& job);

/// What follows an orderly end by `signal`. `job` is the output of `scontrol show job`.
enum class Sequel {
  none,     ///< a user ended it
  requeue,  ///< Slurm ended it, and the job can be requeued
  refused,  ///< Slurm ended it, but the job cannot be requeued (salloc, or --no-requeue)
};
Sequel sequel_of(int signal, const std::string& job);

/// Requeues the job if its sequel is Sequel::requeue, and says so on standard error.
void requeue_if_preempted(const SlurmJob& job, int signal);

}  // namespace lockstep
