"""What is checked before the first step: the number of ranks, the network, and whether all ranks compute the same
bits."""

import json

import pytest

from tests.support.audits import set_aside
from tests.support.launching import (
    LOCKSTEP,
    MPI_ENVIRONMENT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    checkpoints_of,
    mpirun,
    result_of,
    run,
    set_options,
)

MISCALCULATING = PROGRAMS / "worker_miscalculating"
NOWHERE = "203.0.113.0/24"  # an address reserved for documentation


@pytest.fixture
def settings(mlp):
    return mlp | {
        "data.train_samples": 512,
        "data.test_samples": 60,
        "training.max_steps": 4,
        "checkpoint.every_epochs": 1,
    }


@pytest.fixture
def devices(tmp_path):
    """A folder like /dev on a machine with three GPUs."""
    folder = tmp_path / "dev"
    (folder / "nvidia-caps").mkdir(parents=True)
    for name in ("nvidia0", "nvidia1", "nvidia2", "nvidiactl", "nvidia-uvm"):
        (folder / name).touch()
    return folder


def ranks_printed(*arguments, **environment):
    outcome = run([LOCKSTEP, *arguments, "--dry-run"], environment=environment)
    assert outcome.exit_code == 0, outcome.output
    words = outcome.stdout.split()
    return int(words[words.index("-np") + 1])


def manifest_of(output):
    return json.loads((output / "checkpoint" / checkpoints_of(output)[-1] / "manifest.json").read_text())


def start(program, output, ranks, settings, **environment):
    command = mpirun(ranks, [program, QUICKSTART, "--output", output, *set_options(settings)])
    return run(command, environment=MPI_ENVIRONMENT | environment)


def test_there_is_a_rank_for_each_gpu_that_may_be_used(devices):
    on_gpus = {"LOCKSTEP_DEVICE_FILES": str(devices)}
    cores = ranks_printed("train", QUICKSTART)
    if "no CUDA" in run([WORKER, "--check"]).output or "cuda none" in run([WORKER, "--version"]).stdout:
        assert ranks_printed("train", QUICKSTART, **on_gpus) == cores
        return
    for command in (["train", QUICKSTART], ["check", QUICKSTART], ["check"]):
        assert ranks_printed(*command, **on_gpus) == 3
    assert ranks_printed("train", QUICKSTART, **on_gpus, CUDA_VISIBLE_DEVICES="2,1") == 2
    assert ranks_printed("train", QUICKSTART, **on_gpus, CUDA_VISIBLE_DEVICES="0,7,1") == 1
    assert ranks_printed("train", QUICKSTART, **on_gpus, CUDA_VISIBLE_DEVICES="") == cores
    assert ranks_printed("train", QUICKSTART, "--set", "distributed.device=cpu", **on_gpus) == cores
    assert ranks_printed("train", QUICKSTART, "--ranks", "2", **on_gpus) == 2


def test_hosts_without_numbers_are_said_to_take_one_rank_each(devices):
    outcome = run(
        [LOCKSTEP, "train", QUICKSTART, "--hosts", "a,b", "--dry-run"],
        environment={"LOCKSTEP_DEVICE_FILES": str(devices)},
    )
    assert "--host a:1,b:1" in outcome.stdout
    if "cuda none" not in run([WORKER, "--version"]).stdout:
        assert "one rank on each host" in outcome.stderr and "HOST:3" in outcome.stderr


def test_a_host_must_have_an_address_in_the_network(settings, tmp_path):
    outcome = start(WORKER, tmp_path / "run", 2, settings, LOCKSTEP_NETWORK=NOWHERE)
    assert outcome.exit_code == 2, outcome.output
    assert f"has no address in --network {NOWHERE}" in outcome.stderr and "lo 127.0.0.1" in outcome.stderr
    outcome = start(WORKER, tmp_path / "run", 2, settings, LOCKSTEP_NETWORK="127.0.0.0/8")
    assert outcome.exit_code == 0, outcome.output


def test_a_rank_that_computes_other_bits_is_named_before_the_first_step(settings, tmp_path):
    outcome = start(MISCALCULATING, tmp_path, 3, settings, MISCALCULATES_ON="1")
    assert outcome.exit_code == 7, outcome.output
    assert "rank 1 on " in outcome.stderr and "before the first step" in outcome.stderr
    assert not any(event["event"] == "step" for event in outcome.events)
    [(_, rank, step)] = set_aside(tmp_path)
    assert (rank, step) == (1, 1)


def test_of_two_ranks_the_checkpoint_tells_which_one_is_wrong(settings, tmp_path):
    assert start(WORKER, tmp_path, 1, settings | {"training.max_steps": 2}).exit_code == 0
    for wrong in ("0", "1"):
        outcome = start(MISCALCULATING, tmp_path, 2, settings, MISCALCULATES_ON=wrong)
        assert outcome.exit_code == 7, outcome.output
        assert f"error: rank {wrong} on " in outcome.stderr and "is wrong on one of them" not in outcome.stderr


def test_a_run_does_not_go_on_where_all_compute_other_bits_than_at_the_checkpoint(settings, tmp_path):
    assert start(WORKER, tmp_path, 2, settings | {"training.max_steps": 2}).exit_code == 0
    outcome = start(MISCALCULATING, tmp_path, 1, settings, MISCALCULATES_ON="0")
    assert outcome.exit_code == 2, outcome.output
    assert manifest_of(tmp_path)["probe_hash"] in outcome.stderr
    assert "reliability.resume_on_other_device=true" in outcome.stderr
    assert (
        start(
            MISCALCULATING, tmp_path, 1, settings | {"reliability.resume_on_other_device": True}, MISCALCULATES_ON="0"
        ).exit_code
        == 0
    )


def test_the_hash_of_the_fixed_micro_batch_is_the_same_at_every_start(settings, tmp_path):
    whole, halves = tmp_path / "whole", tmp_path / "halves"
    assert start(WORKER, whole, 1, settings).exit_code == 0
    assert start(WORKER, halves, 3, settings | {"training.max_steps": 2}).exit_code == 0
    first = manifest_of(halves)["probe_hash"]
    assert start(WORKER, halves, 2, settings).exit_code == 0
    assert manifest_of(halves)["probe_hash"] == first == manifest_of(whole)["probe_hash"]
    assert result_of(halves)["state_hash"] == result_of(whole)["state_hash"]
