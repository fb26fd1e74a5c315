"""The simulated hosts are what they claim to be: separate, connected, and gone once they are closed."""

import contextlib
import os
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cluster.conftest import require
from tests.support.cluster import Cluster
from tests.support.launching import REPOSITORY

RANK_LINE = re.compile(r"^rank (\d+) of (\d+) on (\w+) reached all$", re.MULTILINE)


def placement(outcome):
    """{rank: host name} of an mpi_probe run in which every rank reached every other."""
    assert outcome.exit_code == 0, outcome.output
    found = {int(rank): host for rank, _, host in RANK_LINE.findall(outcome.output)}
    sizes = {int(size) for _, size, _ in RANK_LINE.findall(outcome.output)}
    assert sizes == {len(found)}, outcome.output
    return found


def bytes_sent(cluster, host):
    """Bytes that the host has sent over its cable."""
    line = re.search(r"eth0:(.*)", cluster.run(host, ["cat", "/proc/net/dev"]).output)
    return int(line.group(1).split()[8])


def watch(process_ids):
    """pidfds, which report the end of exactly these processes, even if their ids are reused later."""
    watches = []
    for process_id in process_ids:
        with contextlib.suppress(ProcessLookupError):  # it may have ended after it was listed
            watches.append(os.pidfd_open(process_id))
    return watches


def wait_until_all_ended(watches, seconds=20):
    deadline = time.monotonic() + seconds
    for fd in watches:
        ready, _, _ = select.select([fd], [], [], max(0, deadline - time.monotonic()))
        os.close(fd)
        assert ready, "a process of the cluster is still there"


def test_ranks_on_three_hosts_see_three_host_names_and_reach_each_other(cluster, programs):
    assert placement(cluster.mpirun([programs / "mpi_probe"], [1, 1, 1])) == {0: "n1", 1: "n2", 2: "n3"}


def test_ranks_are_placed_as_asked_for(cluster, programs):
    hosts = placement(cluster.mpirun([programs / "mpi_probe"], [2, 0, 3])).values()
    assert sorted(hosts) == ["n1", "n1", "n3", "n3", "n3"]


def test_what_ranks_of_different_hosts_exchange_goes_over_the_cable(cluster, programs):
    before = bytes_sent(cluster, "n2")
    cluster.mpirun([programs / "mpi_probe"], [1, 1, 1])
    assert bytes_sent(cluster, "n2") - before >= 2 * 2**20  # the probe sends 1 MiB to each of two other ranks


def test_ranks_of_one_host_exchange_nothing_over_the_cable(cluster, programs):
    before = bytes_sent(cluster, "n2")
    placement(cluster.mpirun([programs / "mpi_probe"], [0, 3, 0]))
    assert bytes_sent(cluster, "n2") - before < 2**20


def test_mpirun_reaches_the_hosts_through_a_real_sshd(programs):
    require(ssh=True)
    with Cluster(hosts=3, ssh=True) as cluster:
        hosts = placement(cluster.mpirun([programs / "mpi_probe"], [1, 1, 1], ssh=True))
        assert hosts == {0: "n1", 1: "n2", 2: "n3"}
        assert cluster.run("n3", ["ssh", "n1", "hostname"]).output == "n1\n"


@pytest.mark.parametrize("ranks", [3, 5])
def test_srun_with_pmix_places_ranks_on_all_three_nodes(slurm_cluster, programs, ranks):
    hosts = placement(slurm_cluster.srun([programs / "mpi_probe"], nodes=3, ntasks=ranks))
    assert len(hosts) == ranks
    assert set(hosts.values()) == {"n1", "n2", "n3"}


def test_a_job_of_sbatch_starts_its_ranks_with_srun(slurm_cluster, programs, tmp_path):
    head = f"#!/bin/sh\n#SBATCH --nodes=3 --ntasks=3 --output={tmp_path}/out\n"
    (tmp_path / "job").write_text(f"{head}SLURM_PMIX_FENCE=ring srun --mpi=pmix {programs}/mpi_probe\n")
    assert slurm_cluster.run("head", ["sbatch", "--wait", tmp_path / "job"]).exit_code == 0
    assert len(RANK_LINE.findall((tmp_path / "out").read_text())) == 3


def test_each_host_has_its_own_processes_and_shared_memory(cluster):
    cluster.run("n1", ["touch", "/dev/shm/of-n1"])
    assert cluster.run("n1", ["ls", "/dev/shm"]).output == "of-n1\n"
    assert cluster.run("n2", ["ls", "/dev/shm"]).output == ""
    with cluster.start("n1", ["sleep", "60"]) as sleeper:
        assert "sleep" not in cluster.run("n2", ["sh", "-c", "cat /proc/[0-9]*/comm"]).output
        cluster.run("n1", ["sh", "-c", "kill -9 -1"])  # all but the host's first process
        assert sleeper.wait(20) != 0


def test_a_command_tells_its_exit_code_and_its_output(cluster):
    outcome = cluster.run("n2", ["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (outcome.exit_code, outcome.output) == (7, "out\nerr\n")


def test_a_command_that_takes_too_long_is_ended(cluster):
    with pytest.raises(TimeoutError, match="begun"):
        cluster.run("n1", ["sh", "-c", "echo begun; sleep 60"], timeout=0.5)


def test_mpirun_fails_when_a_host_crashes_under_it_and_works_again_after_its_boot(programs):
    require()
    with Cluster(hosts=3) as cluster:
        command = cluster.mpirun_command([programs / "mpi_probe", "wait"], [1, 1, 1])
        with cluster.start("head", command) as process:
            assert "waiting" in iter_until(process.stdout, "waiting")
            cluster.crash("n2")
            assert process.wait(20) != 0
        assert cluster.mpirun([programs / "mpi_probe"], [1, 1, 1], timeout=20).exit_code != 0
        cluster.boot("n2")
        assert set(placement(cluster.mpirun([programs / "mpi_probe"], [1, 1, 1])).values()) == {"n1", "n2", "n3"}


def test_mpirun_fails_within_seconds_when_a_cable_is_cut_and_works_again_when_it_is_mended(programs):
    require()
    with Cluster(hosts=3) as cluster:
        command = cluster.mpirun_command([programs / "mpi_probe", "wait"], [1, 1, 1])
        with cluster.start("head", command) as process:
            assert "waiting" in iter_until(process.stdout, "waiting")
            cluster.cut("n3")
            assert process.wait(30) != 0
        cluster.mend("n3")
        assert len(placement(cluster.mpirun([programs / "mpi_probe"], [1, 1, 1]))) == 3


def iter_until(stream, word):
    """The stream's text up to the line with the word, or to its end."""
    text = ""
    for line in stream:
        text += line
        if word in line:
            break
    return text


def test_two_clusters_live_side_by_side(slurm_cluster, programs):
    with Cluster(hosts=3, slurm=True) as other:
        with other.start("head", other.srun_command([programs / "mpi_probe"], nodes=3, ntasks=3)) as process:
            mine = slurm_cluster.srun([programs / "mpi_probe"], nodes=3, ntasks=3)
            assert process.wait(30) == 0
        assert len(placement(mine)) == 3
    assert len(placement(slurm_cluster.srun([programs / "mpi_probe"], nodes=3, ntasks=3))) == 3


def test_three_hosts_with_slurm_are_up_within_two_seconds(slurm_cluster):
    assert slurm_cluster.start_seconds < 2
    assert slurm_cluster.run("head", ["sinfo", "-h", "-o", "%T %D"]).output == "idle 3\n"


def test_when_the_cluster_closes_its_processes_and_files_are_gone():
    require(slurm=True)
    with Cluster(hosts=3, slurm=True) as cluster:
        background = cluster.start("n1", ["sh", "-c", "setsid sleep 1000 & setsid sleep 1000 & echo begun; wait"])
        assert background.stdout.readline() == "begun\n"
        watches = watch(cluster.process_ids())
        assert len(watches) > 3 * 3  # at least pid 1, slurmd and something of the rack for each host
    assert cluster.process_ids() == []
    wait_until_all_ended(watches, seconds=0)
    assert not cluster.directory.exists()
    background.wait(20)
    background.stdout.close()


def test_a_kill_9_of_the_owner_leaves_no_process_and_no_file():
    require(slurm=True, ssh=True)
    owner_script = (
        "import sys; from tests.support.cluster import Cluster\n"
        "with Cluster(hosts=3, slurm=True, ssh=True) as cluster:\n"
        "    job = cluster.start('n1', ['sleep', '1000'], timeout=1000)\n"
        "    print(cluster.directory, *cluster.process_ids(), job.pid, cluster._rack.pid, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", owner_script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
    ) as owner:
        directory, *process_ids = owner.stdout.readline().split()
        assert Path(directory).is_dir()
        watches = watch(map(int, process_ids))
        assert len(watches) > 3 * 3
        owner.send_signal(signal.SIGKILL)
    wait_until_all_ended(watches)
    assert not Path(directory).exists()
