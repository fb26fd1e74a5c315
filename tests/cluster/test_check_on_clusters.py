"""`lockstep check` on several hosts names the slow link, the folder that is not shared, and the host that differs from
the others."""

import contextlib
import json
import shutil
import time

import pytest

from tests.cluster.launched import CONFIG, REPOSITORY

SMALL = [
    "--set",
    "data.train_samples=512",
    "--set",
    "data.test_samples=100",
    "--set",
    "model.name=mlp",
    "--set",
    "model.hidden_sizes=[16]",
]
MBIT = 10
CHECK_SECONDS = 30


@pytest.fixture(scope="module")
def check(cluster, programs):
    """Runs a check with one rank on each host, and returns (exit code, {check: event}, all that it printed)."""

    def run(*arguments, worker="lockstep-worker", env=None):
        variables = {"LOCKSTEP_PROGRESS": "json"} | (env or {})
        exports = [word for name in variables for word in ("-x", name)]
        command = [programs / worker, "--check", *arguments]
        outcome = cluster.mpirun(
            command, [1, 1, 1], flags=["--quiet", *exports], env=variables, cwd=REPOSITORY, timeout=120
        )
        events = [json.loads(line) for line in outcome.output.splitlines() if line.startswith("{")]
        return outcome.exit_code, {event["check"]: event for event in events if "check" in event}, outcome.output

    return run


def on(cluster, host, *command):
    outcome = cluster.run(host, command)
    assert outcome.exit_code == 0, outcome.output


@contextlib.contextmanager
def slowed(cluster, number):
    """The cable of a host carries 10 Mbit/s in both directions."""
    ends = [(f"n{number}", "eth0"), ("head", f"v{number}")]
    for host, device in ends:
        on(
            cluster,
            host,
            "tc",
            "qdisc",
            "add",
            "dev",
            device,
            "root",
            "tbf",
            "rate",
            f"{MBIT}mbit",
            "burst",
            "32kb",
            "latency",
            "200ms",
        )
    try:
        yield
    finally:
        for host, device in ends:
            on(cluster, host, "tc", "qdisc", "del", "dev", device, "root")


def failed(events):
    return {name for name, event in events.items() if event["result"] == "failed"}


def test_three_sound_hosts_pass_in_time(cluster, check, tmp_path):
    begin = time.monotonic()
    code, events, output = check(CONFIG, "--output", tmp_path / "run", *SMALL)
    assert time.monotonic() - begin < CHECK_SECONDS
    assert code == 0, output
    assert failed(events) == set()
    links = events["network"]["links"]
    assert {(link["from"], link["to"]) for link in links} == {
        (a, b) for a in cluster.host_names for b in cluster.host_names if a != b
    }
    assert all(link["bytes_per_second"] > 0 and 0 < link["round_trip_ms"] < 1000 for link in links)
    assert [abs(host["ahead_ms"]) < 1000 for host in events["clocks"]["hosts"]] == [True, True]
    assert [host["host"] for host in events["run folder"]["hosts"]] == cluster.host_names
    assert list(tmp_path.iterdir()) == []


def test_the_host_with_the_slow_link_is_named(cluster, check):
    with slowed(cluster, 3):
        code, events, output = check()
    assert code == 2, output
    assert failed(events) == {"network"}
    slow = [problem for problem in events["network"]["problems"] if "is slow to all others" in problem]
    assert len(slow) == 1 and "the network of n3" in slow[0], output
    assert all("n3" in problem for problem in events["network"]["problems"]), output


def test_a_run_folder_that_one_host_does_not_share_is_found(cluster, check, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    on(cluster, "n2", "mount", "-t", "tmpfs", "tmpfs", folder)
    try:
        code, events, output = check("--output", folder)
    finally:
        on(cluster, "n2", "umount", folder)
    assert code == 2, output
    assert failed(events) == {"run folder"}
    [problem] = events["run folder"]["problems"]
    assert "not one folder on all hosts (n2 does not see" in problem and "--output" in problem


def test_a_host_with_other_data_is_named(cluster, check, tmp_path):
    data = "/usr/share/datasets/fashion-mnist"
    other = shutil.copytree(data, tmp_path / "other")
    (other / "train-labels-idx1-ubyte.gz").write_bytes((other / "t10k-labels-idx1-ubyte.gz").read_bytes())
    on(cluster, "n3", "mount", "--bind", other, data)
    try:
        code, events, output = check(CONFIG, "--output", tmp_path / "run", *SMALL)
    finally:
        on(cluster, "n3", "umount", data)
    assert code == 2, output
    assert failed(events) == {"data"}
    assert "n3" in events["data"]["problems"][0], output


def test_a_host_that_computes_other_bits_is_named(check):
    code, events, output = check(worker="worker_miscalculating", env={"MISCALCULATES_ON": "n2"})
    assert code == 2, output
    assert failed(events) == {"numerics"}
    [problem] = events["numerics"]["problems"]
    assert "rank 1 on n2" in problem and "n1" not in problem and "n3" not in problem


def test_a_host_with_another_program_is_named(cluster, check, programs):
    on(cluster, "n2", "mount", "--bind", programs / "worker_miscalculating", programs / "lockstep-worker")
    try:
        code, events, output = check()
    finally:
        on(cluster, "n2", "umount", programs / "lockstep-worker")
    assert code == 2, output
    assert failed(events) == {"programs"}
    [problem] = events["programs"]["problems"]
    assert "rank 1 on n2" in problem and "start all ranks with the same program" in problem
