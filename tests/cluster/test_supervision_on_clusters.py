"""A host crashes, or a cable is cut: the run restarts by itself on the hosts that answer, and reaches the same
state."""

import json

import pytest

from tests.cluster.conftest import require
from tests.cluster.launched import (
    CONFIG,
    LOCKSTEP,
    REPOSITORY,
    RUN_SECONDS,
    alone,
    events_of,
    expect_equal,
    on_simulated_hosts,
    options,
)
from tests.support.cluster import Cluster
from tests.support.rack import NETWORK

# Steps of a tenth of a second, so that the fault comes in the middle.
SETTINGS = {
    "model.name": "resnet20",
    "data.train_samples": 256,
    "training.batch_size": 64,
    "training.micro_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.max_steps": 16,
    "training.epochs": 100,
    "checkpoint.every_steps": 2,
    "training.log_every_steps": 1,
    "training.evaluate_every_epochs": 0,
    "averaging.model_ema": False,
    "data.test_samples": 64,
    "reliability.collective_timeout_seconds": 20,
}


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    return alone(tmp_path_factory.mktemp("one-rank") / "run", SETTINGS)


def read_until(stream, lines, event, step):
    for line in stream:
        lines.append(line)
        if line.startswith("{"):
            found = json.loads(line)
            if found["event"] == event and found.get("step", 0) >= step:
                return
    raise AssertionError("the run ended\n" + "".join(lines[-30:]))


@pytest.mark.parametrize("fault", ["crash", "cut"])
def test_a_lost_host_is_set_aside_and_the_run_ends_in_the_same_state(reference, tmp_path, fault):
    require(ssh=True)
    lines = []
    with Cluster(hosts=3, ssh=True) as cluster:
        argv = [
            LOCKSTEP,
            "train",
            CONFIG,
            *options(SETTINGS),
            "--output",
            tmp_path / "run",
            "--hosts",
            "n1:1,n2:1,n3:1",
            "--network",
            f"{NETWORK}.0/24",
        ]
        with cluster.start(
            "head", argv, env=on_simulated_hosts(cluster), cwd=REPOSITORY, timeout=RUN_SECONDS
        ) as process:
            read_until(process.stdout, lines, "checkpoint", step=4)
            getattr(cluster, fault)("n2")
            lines += process.stdout
            code = process.wait()
    output = "".join(lines)
    assert code == 0, output[-4000:]
    assert "setting n2 aside (it does not answer)" in output, output
    assert "starting again with 2 ranks on 2 hosts, from the newest checkpoint" in output, output
    assert events_of(output, "restart")[0]["ranks"] == 2
    expect_equal(tmp_path / "run", 2, reference)
