"""`lockstep check` on one machine: it passes what is sound, and names what is wrong with a remedy."""

import os
import subprocess

import pytest

from tests.support.launching import (
    AS_ROOT,
    LOCKSTEP,
    MPI_ENVIRONMENT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    mpirun,
    run,
    set_options,
)
from tests.support.skipping import cannot_run

CHECKS = ["programs", "machines", "network", "clocks", "devices", "data", "model", "run folder", "numerics"]


@pytest.fixture
def settings(mlp):
    return mlp | {"data.train_samples": 1024, "data.test_samples": 100}


def check(*arguments, ranks=2, environment=None):
    return run([LOCKSTEP, "check", *arguments, "--ranks", ranks], environment=environment)


def check_of(output, settings, **more):
    return check(QUICKSTART, "--output", output, *set_options(settings), **more)


def results_of(outcome):
    return {event["check"]: event["result"] for event in outcome.events if event["event"] == "check"}


def finding(outcome, name):
    [event] = [event for event in outcome.events if event.get("check") == name]
    return event


def test_without_a_configuration_the_machine_is_looked_at(tmp_path):
    outcome = run([LOCKSTEP, "check", "--ranks", "2"], cwd=tmp_path)
    assert outcome.exit_code == 0, outcome.output
    results = results_of(outcome)
    assert list(results) == CHECKS
    assert [name for name, result in results.items() if result == "skipped"] == [
        "network",
        "clocks",
        "data",
        "run folder",
    ]
    assert "one host" in finding(outcome, "network")["detail"]
    assert outcome.event("checked")["failures"] == 0
    bits = [rank["bits"] for rank in finding(outcome, "numerics")["ranks"]]
    assert len(bits) == 2 and len({each for of_rank in bits for each in of_rank}) == 1 and len(bits[0]) >= 2
    assert list(tmp_path.iterdir()) == []


def test_with_a_configuration_data_and_run_folder_are_looked_at_and_nothing_is_left(settings, tmp_path):
    output = tmp_path / "not" / "there" / "yet"
    outcome = check_of(output, settings, ranks=3)
    assert outcome.exit_code == 0, outcome.output
    assert {result for name, result in results_of(outcome).items() if name not in ("network", "clocks")} <= {
        "ok",
        "warning",
    }
    assert str(output) in finding(outcome, "run folder")["detail"]
    # Three checkpoints of three arrays: weights, momentum and average.
    assert finding(outcome, "run folder")["needed_bytes"] > 3 * 3 * 4 * 784 * 16
    assert "1024 and 100 images" in finding(outcome, "data")["detail"]
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_stays_as_it_is(settings, tmp_path):
    output = tmp_path / "run"
    output.mkdir()
    (output / "mine").write_text("mine")
    assert check_of(output, settings).exit_code == 0
    assert [path.name for path in output.iterdir()] == ["mine"]


def test_data_that_are_not_there_fail_and_all_else_is_looked_at(settings, tmp_path):
    outcome = check_of(tmp_path / "run", settings | {"data.path": str(tmp_path / "gone")})
    assert outcome.exit_code == 2, outcome.output
    results = results_of(outcome)
    assert list(results) == CHECKS and results["data"] == "failed" and results["numerics"] == "ok"
    assert str(tmp_path / "gone") in finding(outcome, "data")["problems"][0]


def test_a_run_folder_that_cannot_be_made_fails(settings, tmp_path):
    (tmp_path / "file").write_text("")
    outcome = check_of(tmp_path / "file" / "run", settings)
    assert outcome.exit_code == 2, outcome.output
    assert results_of(outcome)["run folder"] == "failed"
    assert str(tmp_path / "file" / "run") in finding(outcome, "run folder")["problems"][0]


def test_a_disk_too_small_for_checkpoints_fails(root, settings, tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", tmp_path]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        cannot_run(f"a small file system cannot be mounted here ({mounted.stderr.strip()})")
    try:
        outcome = check_of(tmp_path / "run", settings)
    finally:
        subprocess.run(["umount", "--lazy", tmp_path], check=True)
    assert outcome.exit_code == 2, outcome.output
    [problem] = finding(outcome, "run folder")["problems"]
    assert "too little is free" in problem and "checkpoint.keep" in problem


@pytest.mark.parametrize("fault, words", [("1", "rank 1 on"), ("1 now and then", "from one time to the next")])
def test_a_rank_that_computes_other_bits_is_named(fault, words):
    command = mpirun(3, [PROGRAMS / "worker_miscalculating", "--check"])
    outcome = run(command, environment=MPI_ENVIRONMENT | {"MISCALCULATES_ON": fault})
    assert outcome.exit_code == 2, outcome.output
    results = results_of(outcome)
    assert [name for name, result in results.items() if result == "failed"] == ["numerics"]
    [problem] = finding(outcome, "numerics")["problems"]
    assert words in problem and "rank 1 on" in problem and "rank 0" not in problem and "rank 2" not in problem


def test_ranks_with_other_programs_are_told_apart():
    command = [*mpirun(1, [WORKER, "--check"]), ":", "-np", "1", PROGRAMS / "worker_miscalculating", "--check"]
    outcome = run(command, environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 2, outcome.output
    assert results_of(outcome) == {"programs": "failed"}
    assert "rank 1 on" in finding(outcome, "programs")["problems"][0]


def test_a_wrong_configuration_is_reported_as_everywhere(tmp_path):
    outcome = check(QUICKSTART, "--set", "training.batch_size=0", "--set", "optimizer.momentm=0.5")
    assert outcome.exit_code == 2, outcome.output
    assert "training.batch_size = 0 is out of range" in outcome.stderr and "optimizer.momentum" in outcome.stderr


def test_people_read_a_table():
    command = mpirun(2, [WORKER, "--check"])
    outcome = run(command, environment=AS_ROOT | {"LOCKSTEP_PROGRESS": "bar", "LOCKSTEP_COLUMNS": "80"})
    assert outcome.exit_code == 0, outcome.output
    lines = outcome.stdout.splitlines()
    assert lines[0].split() == ["check", "result", "detail"]
    assert [line for line in lines if line.startswith("numerics     ok ")]
    assert [line for line in lines if line.startswith("network      -  ")]
    assert lines[-1].startswith("ready to train")


def test_a_machine_without_threads_for_its_ranks_gets_a_warning_and_passes():
    ranks = os.cpu_count() + 1
    outcome = check(ranks=ranks)
    assert outcome.exit_code == 0, outcome.output
    assert finding(outcome, "machines")["result"] == "warning"
    assert "start fewer ranks" in finding(outcome, "machines")["problems"][0]
