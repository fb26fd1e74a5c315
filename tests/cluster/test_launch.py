"""Launches from the command line on simulated hosts: over a remote shell, inside a Slurm job, and as a batch job.

Whichever way a run is started, it ends in the state of a run on one rank.
"""

import contextlib
import os
import re
import signal
import subprocess
from pathlib import Path

import pytest

from tests.cluster.conftest import require
from tests.cluster.launched import (
    CONFIG,
    LOCKSTEP,
    LONG,
    alone,
    events_of,
    expect_equal,
    field,
    hosts_of_ranks,
    options,
    result_of,
    run,
    submit,
    text_of,
    wait_for_end,
    wait_for_event,
    wait_until,
    workers_of,
)
from tests.support.cluster import Cluster
from tests.support.rack import NETWORK


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The result of one rank on this machine."""
    return alone(tmp_path_factory.mktemp("one-rank") / "run", {})


@pytest.fixture(scope="module")
def hosts():
    """Three hosts, each with an sshd."""
    require(ssh=True)
    with Cluster(hosts=3, ssh=True) as three_hosts:
        yield three_hosts


# Over a remote shell


def test_hosts_are_reached_by_any_remote_shell_even_with_a_tiny_dev_shm(hosts, reference, tmp_path):
    hosts.run("n1", ["mount", "-o", "remount,size=64k", "/dev/shm"])
    argv = [
        LOCKSTEP,
        "train",
        CONFIG,
        *options({}),
        "--output",
        tmp_path / "run",
        "--hosts",
        "n1:2,n2,n3",
        "--network",
        f"{NETWORK}.0/24",
    ]
    outcome = run(hosts, argv, LOCKSTEP_RSH=hosts.directory / "enter")
    assert outcome.exit_code == 0, outcome.output
    assert hosts_of_ranks(outcome.output) == ["n1", "n1", "n2", "n3"]
    expect_equal(tmp_path / "run", 4, reference)


def test_hosts_of_a_hostfile_are_reached_by_ssh(hosts, reference, tmp_path):
    (tmp_path / "hostfile").write_text("# the rack\nn2 slots=1\nn3 slots=2\n")
    argv = [LOCKSTEP, "train", CONFIG, *options({}), "--output", tmp_path / "run", "--hostfile", tmp_path / "hostfile"]
    outcome = run(hosts, argv)
    assert outcome.exit_code == 0, outcome.output
    assert hosts_of_ranks(outcome.output) == ["n2", "n3", "n3"]
    expect_equal(tmp_path / "run", 3, reference)


@pytest.mark.parametrize(
    "arguments, remedy",
    [
        (["--hosts", "n1:2,n2:1", "--ranks", "4"], "leave --ranks out"),
        (["--hosts", "n1:2,n1:1"], "name it once: n1:3"),
        (["--hosts", "n1", "--network", "eth0"], "--network 10.0.0.0/8"),
    ],
)
def test_hosts_that_do_not_fit_are_refused(hosts, arguments, remedy):
    outcome = run(hosts, [LOCKSTEP, "train", CONFIG, *arguments, "--dry-run"])
    assert outcome.exit_code == 2
    assert remedy in outcome.output


def test_a_host_that_cannot_be_reached_ends_the_launch_and_is_named(hosts, tmp_path):
    outcome = run(hosts, [LOCKSTEP, "train", CONFIG, *options({}), "--output", tmp_path / "run", "--hosts", "n1,n9"])
    assert outcome.exit_code == 3
    assert "resolve hostname n9" in outcome.output and "try `ssh HOST true`" in outcome.output


# Inside a Slurm job


@pytest.mark.parametrize("starter", ["srun", "mpirun"])
def test_inside_an_allocation_no_flags_are_needed(slurm_cluster, reference, tmp_path, starter):
    with_mpirun = ["--starter", starter] if starter == "mpirun" else []
    argv = [
        "salloc",
        "--quiet",
        "--nodes=3",
        "--ntasks=4",
        LOCKSTEP,
        "train",
        CONFIG,
        *options({}),
        "--output",
        tmp_path / "run",
        *with_mpirun,
    ]
    outcome = run(slurm_cluster, argv)
    assert outcome.exit_code == 0, outcome.output
    assert set(hosts_of_ranks(outcome.output)) == {"n1", "n2", "n3"}
    expect_equal(tmp_path / "run", 4, reference)


@pytest.mark.parametrize(
    "arguments, remedy",
    [
        (["--ranks", "5"], "#SBATCH --ntasks=5"),
        (["--hosts", "n3:1"], "#SBATCH --nodelist=n3"),
        (["--hosts", "n1:4"], "write n1:"),
        (["--set", "distributed.device='cuda'"], "#SBATCH --gpus-per-node=8"),
    ],
)
def test_what_slurm_has_not_granted_is_refused_with_the_line_to_change(slurm_cluster, arguments, remedy):
    argv = [
        "salloc",
        "--quiet",
        "--nodes=2",
        "--nodelist=n1,n2",
        "--ntasks=4",
        LOCKSTEP,
        "train",
        CONFIG,
        *arguments,
        "--dry-run",
    ]
    outcome = run(slurm_cluster, argv)
    assert outcome.exit_code == 2, outcome.output
    assert remedy in outcome.output


def test_a_launch_by_each_task_of_a_step_is_refused(slurm_cluster):
    outcome = run(slurm_cluster, ["srun", "--ntasks=2", LOCKSTEP, "train", CONFIG, "--dry-run"])
    assert outcome.exit_code == 2
    assert "leave srun out" in outcome.output


# As a batch job


def test_submit_prints_the_script(tmp_path):
    argv = [
        LOCKSTEP,
        "submit",
        CONFIG,
        "--nodes",
        "4",
        "--gpus-per-node",
        "8",
        "--time",
        "2:00:00",
        "--partition",
        "gpu",
        "--account",
        "vision",
        "--sbatch=--constraint=h100",
        "--output",
        tmp_path / "run",
        "--dry-run",
    ]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for line in (
        "--nodes=4",
        "--ntasks-per-node=8",
        "--gpus-per-node=8",
        "--time=2:00:00",
        "--partition=gpu",
        "--account=vision",
        "--constraint=h100",
        "--requeue",
        "--signal=B:USR1@120",
        "--open-mode=append",
    ):
        assert f"#SBATCH {line}\n" in done.stdout
    assert done.stdout.endswith(f"exec {LOCKSTEP} train {CONFIG} --output {tmp_path}/run\n")
    assert subprocess.run(["sh", "-n"], input=done.stdout, text=True).returncode == 0


def test_a_submitted_array_runs_to_the_end_with_a_seed_for_each_task(slurm_cluster, reference, tmp_path):
    job, log = submit(slurm_cluster, tmp_path / "runs" / "x", "--seeds", "1,2")
    for task in (0, 1):
        wait_for_end(slurm_cluster, f"{job}_{task}", log.with_name(log.name.replace("*", str(task))))
    expect_equal(tmp_path / "runs" / "x-seed-1", 3, reference)
    assert result_of(tmp_path / "runs" / "x-seed-2")["state_hash"] != reference["state_hash"]


# Jobs that end early


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("one-rank") / "long", LONG)


def has_pending(process_id, number):
    with contextlib.suppress(OSError):
        status = Path(f"/proc/{process_id}/status").read_text()
        pending = [int(mask, 16) for mask in re.findall(r"^(?:SigPnd|ShdPnd):\s*(\w+)", status, re.MULTILINE)]
        return any(mask >> (number - 1) & 1 for mask in pending)
    return False


@contextlib.contextmanager
def stopped(process_ids):
    """Stops these processes, so that the run cannot end before the test has done something to it."""
    for process_id in process_ids:
        os.kill(process_id, signal.SIGSTOP)
    yield
    for process_id in process_ids:
        os.kill(process_id, signal.SIGCONT)


def expect_continued(cluster, job, log, output, long_reference):
    """The job was requeued once, and the run is complete."""
    text = wait_for_end(cluster, job, log)
    assert field(cluster, job, "JobState") == "COMPLETED", text
    assert field(cluster, job, "Restarts") == "1", text
    assert len(events_of(text, "stopped")) == 1
    assert events_of(text, "start")[1]["step"] == events_of(text, "stopped")[0]["step"] > 0
    expect_equal(output, 3, long_reference)


def test_a_job_saves_before_its_time_limit_requeues_itself_and_ends_in_the_same_state(
    slurm_cluster, long_reference, tmp_path
):
    job, log = submit(slurm_cluster, tmp_path / "run", "--time", "1", "--signal-seconds", "55", settings=LONG)
    wait_for_event(log, "step")
    workers = workers_of(slurm_cluster)
    with stopped(workers):
        wait_until(lambda: any(has_pending(worker, signal.SIGUSR1) for worker in workers), lambda: text_of(log))
    expect_continued(slurm_cluster, job, log, tmp_path / "run", long_reference)
    assert f"job {job} is requeued" in text_of(log)


def test_a_job_that_another_displaces_saves_in_its_grace_time_and_goes_on(slurm_cluster, long_reference, tmp_path):
    slurm_cluster.run("head", ["scontrol", "update", "PartitionName=main", "GraceTime=30"])
    slurm_cluster.run("head", ["scontrol", "create", "PartitionName=urgent", "Nodes=ALL", "PriorityTier=10"])
    job, log = submit(slurm_cluster, tmp_path / "run", settings=LONG)
    wait_for_event(log, "step")
    slurm_cluster.run(
        "head",
        ["sbatch", "--partition=urgent", "--nodes=3", "--exclusive", "--wrap=true", f"--output={tmp_path}/urgent"],
    )
    expect_continued(slurm_cluster, job, log, tmp_path / "run", long_reference)


def test_a_job_that_somebody_ends_saves_and_is_not_requeued(slurm_cluster, tmp_path):
    job, log = submit(
        slurm_cluster, tmp_path / "run", settings=LONG | {"training.max_steps": 100000, "training.epochs": 20000}
    )
    wait_for_event(log, "step")
    slurm_cluster.run("head", ["scancel", "--batch", "--signal=INT", job])
    text = wait_for_end(slurm_cluster, job, log)
    assert len(events_of(text, "stopped")) == 1, text
    assert (field(slurm_cluster, job, "Restarts"), field(slurm_cluster, job, "ExitCode")) == ("0", "130:0")


def test_a_cancelled_job_is_not_requeued(slurm_cluster, tmp_path):
    job, log = submit(
        slurm_cluster, tmp_path / "run", settings=LONG | {"training.max_steps": 100000, "training.epochs": 20000}
    )
    wait_for_event(log, "step")
    slurm_cluster.run("head", ["scancel", job])
    assert "is requeued" not in wait_for_end(slurm_cluster, job, log)
    assert field(slurm_cluster, job, "Restarts") == "0"
