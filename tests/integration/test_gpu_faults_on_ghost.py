"""GPU errors in LibTorch's own CUDA code and in ours, on the ghost: the message names the GPU."""

import pytest

from tests.integration.gpus_on_double import (
    ECC,
    GPU_FAILED,
    HOST,
    SETTINGS,
    ghost_uuid,
    require_gpus,
    set_aside,
)
from tests.support.ghost import counts_of, ghost_environment, on_ghost
from tests.support.launching import (
    LOCKSTEP,
    MPI_ENVIRONMENT,
    QUICKSTART,
    WORKER,
    mpirun,
    result_of,
    run,
    set_options,
    why,
)


@pytest.fixture(scope="module", autouse=True)
def gpus():
    require_gpus()


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | SETTINGS


# On the ghost, through LibTorch's own CUDA code.

ON_GHOST = {
    "data.train_samples": 256,
    "training.max_steps": 4,
    "checkpoint.every_steps": 1,
    "training.evaluate_every_epochs": 0,
    "precision.mixed_precision": "none",
}


def run_on_ghost(output, ranks, settings, **ghost):
    words = mpirun(ranks, [*on_ghost(WORKER, gpus=2, **ghost), QUICKSTART, "--output", output, *set_options(settings)])
    return run(words, environment=MPI_ENVIRONMENT)


def expect_named(outcome, output, rank, error):
    """The exit code, and the message on standard error, in the log, and from `lockstep why`."""
    assert outcome.exit_code == GPU_FAILED, outcome.output
    code, answer = why(output)
    [finding] = answer["findings"]
    assert (code, finding["trouble"], finding["ranks"]) == (3, "GPU failed", [rank]), answer
    log = (output / "log" / f"rank-{rank}.log").read_text()
    for text in (outcome.stderr, finding["text"], log):
        for part in (
            f"rank {rank} on {HOST} has lost its GPU in ",
            f"GPU {rank}, {ghost_uuid(rank)}, PCI 0000:{0x18 + rank:02x}:00",
            f"CUDA error {error}: ",
        ):
            assert part in text, text


@pytest.mark.parametrize("error", [ECC, 220, 700, 719, 46, 999])
def test_an_error_of_a_gpu_that_libtorch_meets_names_it(settings, tmp_path, error):
    outcome = run_on_ghost(tmp_path, 2, settings | ON_GHOST, fail=f"cudaMemcpyAsync:12:{error}", fail_rank=1)
    expect_named(outcome, tmp_path, 1, error)
    assert "which LibTorch met" in outcome.stderr


@pytest.mark.parametrize("call, error", [("cudaEventRecord:4", ECC), ("cudaStreamWaitEvent:2", 719)])
def test_an_error_that_our_own_calls_meet_names_the_gpu(settings, tmp_path, call, error):
    outcome = run_on_ghost(tmp_path, 2, settings | ON_GHOST, fail=f"{call}:{error}", fail_rank=0)
    expect_named(outcome, tmp_path, 0, error)
    assert "when it was to " in outcome.stderr


@pytest.mark.parametrize("error", [ECC, 700])
def test_an_error_that_the_update_meets_names_the_gpu(settings, tmp_path, error):
    outcome = run_on_ghost(tmp_path / "counted", 1, settings | ON_GHOST, counts=tmp_path / "counts")
    assert outcome.exit_code == 0, outcome.output
    [counts] = counts_of(tmp_path / "counts")
    until_update = counts["steps"][0]["calls"]["launch"]["times"]
    outcome = run_on_ghost(tmp_path / "run", 1, settings | ON_GHOST, fail=f"launch:{until_update}:{error}")
    expect_named(outcome, tmp_path / "run", 0, error)
    assert "when it was to update the weights" in outcome.stderr, outcome.output


def test_an_error_of_the_program_is_no_fault_of_the_gpu(settings, tmp_path):
    invalid_value = 1
    outcome = run_on_ghost(tmp_path, 1, settings | ON_GHOST, fail=f"cudaMemcpyAsync:12:{invalid_value}")
    assert outcome.exit_code == 5 and "internal error" in outcome.stderr, outcome.output


def test_on_the_ghost_too_a_run_goes_on_without_the_gpu_that_failed_and_ends_in_the_same_state(settings, tmp_path):
    whole = run_on_ghost(tmp_path / "whole", 2, settings | ON_GHOST)
    assert whole.exit_code == 0, whole.output
    outcome = run(
        [LOCKSTEP, "train", QUICKSTART, "--ranks", 2, "--output", tmp_path / "run", *set_options(settings | ON_GHOST)],
        environment=ghost_environment(gpus=2, fail=f"cudaEventRecord:4:{ECC}", fail_rank=1),
    )
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("restart")["ranks"] == 1
    assert result_of(tmp_path / "run")["state_hash"] == result_of(tmp_path / "whole")["state_hash"]
    assert [entry["uuid"] for entry in set_aside(tmp_path / "run")] == [ghost_uuid(1)]
    # The launcher itself now sets CUDA_VISIBLE_DEVICES, without the failed GPU: no wrapper has shown each rank one GPU.
    outcome = run_on_ghost(tmp_path / "run", 2, settings | ON_GHOST | {"training.max_steps": 6})
    assert outcome.exit_code == 2, outcome.output
    assert "has 1 GPU for 2 ranks, since" in outcome.stderr and "failed in this run" in outcome.stderr
