"""The result does not depend on the hosts it ran on: over TCP under mpirun, and under srun on a real Slurm."""

import os
import subprocess

import pytest

from tests.cluster.launched import CONFIG, REPOSITORY, result_of

STEPS = 20
SETTINGS = {"training.max_steps": STEPS, "data.train_samples": 5120, "data.test_samples": 1000}
RUN_SECONDS = 240


@pytest.fixture(scope="module")
def worker(programs):
    path = programs / "lockstep-worker"
    if not path.is_file():
        pytest.fail(f"{path} is not there (build it first, or set LOCKSTEP_BIN)", pytrace=False)
    return path


@pytest.fixture(scope="module")
def reference(worker, tmp_path_factory):
    """The result of one rank on this machine."""
    output = tmp_path_factory.mktemp("one-rank")
    as_root = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    done = subprocess.run(
        ["mpirun", "-np", "1", "--bind-to", "none", *training(worker, output)],
        env=os.environ | as_root,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=RUN_SECONDS,
    )
    assert done.returncode == 0, done.stdout
    result = result_of(output)
    assert (result["ranks"], result["steps"]) == (1, STEPS)
    return result


def training(worker, output):
    settings = [argument for key, value in SETTINGS.items() for argument in ("--set", f"{key}={value}")]
    return [str(worker), str(CONFIG), *settings, "--output", str(output)]


def expect_equal(outcome, output, ranks, reference):
    assert outcome.exit_code == 0, outcome.output
    result = result_of(output)
    assert (result["ranks"], result["steps"]) == (ranks, STEPS)
    assert result["weights_hash"] == reference["weights_hash"]
    assert result["state_hash"] == reference["state_hash"]


@pytest.mark.parametrize("ranks_per_host", [[1, 1, 1], [2, 1, 1]], ids=["1+1+1", "2+1+1"])
def test_three_hosts_over_tcp_give_the_state_of_one_rank(cluster, worker, reference, tmp_path, ranks_per_host):
    output = tmp_path / "run"
    outcome = cluster.mpirun(training(worker, output), ranks_per_host, cwd=REPOSITORY, timeout=RUN_SECONDS)
    expect_equal(outcome, output, sum(ranks_per_host), reference)


@pytest.mark.parametrize("ranks", [3, 5])
def test_srun_on_a_three_node_slurm_gives_the_state_of_one_rank(slurm_cluster, worker, reference, tmp_path, ranks):
    output = tmp_path / "run"
    outcome = slurm_cluster.srun(training(worker, output), nodes=3, ntasks=ranks, cwd=REPOSITORY, timeout=RUN_SECONDS)
    expect_equal(outcome, output, ranks, reference)
