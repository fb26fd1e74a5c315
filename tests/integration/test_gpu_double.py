"""The GPU path on a double: kernels instead of loops and NCCL instead of MPI give the same bits."""

import os
import signal

import pytest

from tests.support.launching import (
    AS_ROOT,
    MPI_ENVIRONMENT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    Started,
    mpirun,
    result_of,
    run,
    set_options,
    why,
)

DOUBLE = PROGRAMS / "worker_on_nccl_double"
pytestmark = pytest.mark.skipif(
    not DOUBLE.is_file(), reason="this build has no NCCL (no CUDA toolkit, or LOCKSTEP_CUDA=OFF)"
)

# Blocks of 4096 elements and shorter ones, several per matrix.
MLP = {
    "model.name": "mlp",
    "model.hidden_sizes": [40, 16],
    "data.train_samples": 256,
    "data.test_samples": 60,
    "training.batch_size": 64,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 8,
    "training.epochs": 2,
    "averaging.model_ema": True,
    "averaging.use_swa": True,
    "averaging.swa_start_epoch": 0,
}
RESNET = MLP | {"model.name": "resnet20", "data.train_samples": 64, "training.batch_size": 32}
RATES = {
    "sgd": 0.1,
    "adam": 1e-3,
    "adamw": 1e-3,
    "rmsprop": 1e-3,
    "lars": 1.0,
    "lamb": 3e-3,
    "lion": 3e-4,
    "sophia": 1e-3,
    "muon": 2e-3,
}
RUNS = {
    **{name: MLP | {"optimizer.name": name, "optimizer.learning_rate": rate} for name, rate in RATES.items()},
    "with-batch-norm": RESNET,
    "muon-on-convolutions": RESNET | {"optimizer.name": "muon", "optimizer.learning_rate": 2e-3},
    "clipped-by-value": MLP
    | {
        "training.gradient_clip_value": 0.005,
        "training.gradient_clip_norm": 0.0,
        "optimizer.name": "lars",
        "optimizer.learning_rate": 1.0,
    },
    "bf16-gradients": RESNET | {"distributed.gradient_format": "bf16"},
    "fp16-gradients": MLP | {"distributed.gradient_format": "fp16"},
    "best-of-early-stopping": MLP | {"training.early_stopping": True, "training.early_stopping_metric": "ema_accuracy"},
}


STAGED = {"distributed.gpu_transport": "staged"}
ONE_GPU = {"NCCL_DOUBLE_GPUS": "1"}


def run_to(output, program, ranks, settings, environment=None):
    outcome = run(
        mpirun(ranks, [program, QUICKSTART, "--output", output, *set_options(settings)]),
        environment=AS_ROOT | (environment or {}),
    )
    assert outcome.exit_code == 0, outcome.output
    return {
        key: value
        for key, value in result_of(output).items()
        if "accuracy" in key or "loss" in key or key in ("state_hash", "weights_hash")
    }


@pytest.mark.parametrize("name", RUNS)
def test_a_run_on_the_double_ends_in_the_state_of_one_on_the_host(small_data, tmp_path, name):
    settings = RUNS[name] | {"data.path": str(small_data)}
    host = run_to(tmp_path / "host", WORKER, 1, settings)
    for ranks in (1, 2, 3, 5):
        output = tmp_path / f"double-{ranks}"
        assert run_to(output, DOUBLE, ranks, settings) == host, ranks
        assert "double of a GPU" in next(output.glob("checkpoint/*/manifest.json")).read_text()


@pytest.mark.parametrize("name", ["lamb", "muon", "with-batch-norm", "bf16-gradients", "fp16-gradients"])
def test_ranks_that_share_one_gpu_on_request_end_in_the_state_of_one_on_the_host(small_data, tmp_path, name):
    settings = RUNS[name] | {"data.path": str(small_data)}
    host = run_to(tmp_path / "host", WORKER, 1, settings)
    for ranks in (1, 2, 3, 5):
        output = tmp_path / f"staged-{ranks}"
        assert run_to(output, DOUBLE, ranks, settings | STAGED, ONE_GPU) == host, ranks
        assert "double of a GPU" in next(output.glob("checkpoint/*/manifest.json")).read_text()


def test_a_run_goes_on_over_another_transport_between_gpus(small_data, tmp_path):
    settings = RUNS["adam"] | {"data.path": str(small_data)}
    whole = run_to(tmp_path / "whole", DOUBLE, 2, settings)
    run_to(tmp_path / "halves", DOUBLE, 3, settings | STAGED | {"training.max_steps": 3}, ONE_GPU)
    assert run_to(tmp_path / "halves", DOUBLE, 2, settings) == whole


def test_a_run_on_the_double_goes_on_from_its_checkpoint(small_data, tmp_path):
    settings = RUNS["lamb"] | {"data.path": str(small_data)}
    whole = run_to(tmp_path / "whole", DOUBLE, 2, settings)
    run_to(tmp_path / "halves", DOUBLE, 3, settings | {"training.max_steps": 3})
    assert run_to(tmp_path / "halves", DOUBLE, 2, settings) == whole


def test_ranks_that_share_a_gpu_are_refused(small_data, tmp_path):
    """Each rank is shown one GPU, and it is the same GPU."""
    settings = MLP | {"data.path": str(small_data), "distributed.device": "cuda"}
    outcome = run(
        mpirun(2, [DOUBLE, QUICKSTART, "--output", tmp_path / "run", *set_options(settings)]),
        environment=AS_ROOT | {"NCCL_DOUBLE_GPUS": "1", "CUDA_VISIBLE_DEVICES": "0"},
    )
    assert outcome.exit_code == 2, outcome.output
    assert "ranks 0 and 1 share a GPU" in outcome.stderr and "CUDA_VISIBLE_DEVICES" in outcome.stderr


def test_a_rank_that_waits_over_nccl_tells_for_whom(small_data, tmp_path):
    settings = MLP | {
        "data.path": str(small_data),
        "training.epochs": 100000,
        "checkpoint.every_epochs": 0,
        "training.evaluate_every_epochs": 0,
        "training.log_every_steps": 1,
    }
    command = mpirun(2, [DOUBLE, QUICKSTART, "--output", tmp_path / "run", *set_options(settings)])
    with Started(command, environment=MPI_ENVIRONMENT) as started:
        started.wait_for_event("step", step=3)
        os.kill(started.process_of_rank(1, DOUBLE), signal.SIGSTOP)
        _, answer = why(tmp_path / "run")
        while not answer["findings"] and answer["under_way"]:  # the sentinels write once a second
            _, answer = why(tmp_path / "run")
        assert answer["ranks"][0]["awaits"] == [1]
        assert [finding["trouble"] for finding in answer["findings"]] == ["stopped"]
