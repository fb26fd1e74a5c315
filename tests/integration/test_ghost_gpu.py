"""The GPU path with LibTorch's own CUDA code, on simulated GPUs: every model and feature starts, no two accesses to
memory race, and the state is the same on 1, 2 and 3 ranks, although operations are delayed at random."""

import json
import os
import random
import re
import signal
from pathlib import Path

import pytest

from tests.support.ghost import a_ghost_is_built, counts_of, on_ghost  # noqa: F401
from tests.support.launching import MPI_ENVIRONMENT, QUICKSTART, WORKER, Started, mpirun, result_of, run, set_options

TABLE = Path(__file__).parent / "gpu_counts.json"
# The functions of cuDNN and cuBLAS that start kernels; the others create handles and descriptors.
COMPUTES = re.compile(
    r"cudnnBackendExecute|cudnnConvolution\w+|cudnnBatchNormalization\w+|cublasLtMatmul|"
    r"cublas[SDG]?(gemm|Gemm|gemv|dot|Dot)(\w*)"
)

SETTINGS = {
    "distributed.device": "cuda",
    "data.train_samples": 96,
    "data.test_samples": 20,
    "training.batch_size": 40,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 8,
    "training.max_steps": 2,
    "averaging.model_ema": True,
    "averaging.use_swa": True,
    "averaging.swa_start_epoch": 0,
    "averaging.recompute_batch_norm": False,
}
MLP = {"model.name": "mlp", "model.hidden_sizes": [40, 16]}
CONVOLUTIONS = {"model.name": "resnet20"}
SMALL_MODELS = ["resnet20", "resnet56", "small_cnn", "vit_tiny", "mlp"]
LARGE_MODELS = ["resnet18", "resnet34", "resnet50", "wide_resnet50_2", "convnext_tiny"]  # seconds to fill their memory
RATES = {
    "sgd": 0.1,
    "adam": 1e-3,
    "adamw": 1e-3,
    "rmsprop": 1e-3,
    "lars": 1.0,
    "lamb": 3e-3,
    "lion": 3e-4,
    "muon": 2e-3,
}
RUNS = {
    **{name: {"model.name": name} for name in SMALL_MODELS},
    **{
        name: {"model.name": name, "training.batch_size": 24, "training.max_steps": 1, "averaging.use_swa": False}
        for name in LARGE_MODELS
    },
    **{
        f"optimizer-{name}": MLP | {"optimizer.name": name, "optimizer.learning_rate": rate}
        for name, rate in RATES.items()
    },
    "optimizer-sophia": CONVOLUTIONS
    | {"optimizer.name": "sophia", "optimizer.learning_rate": 1e-3, "optimizer.sophia_every_steps": 2},
    "muon-on-convolutions": CONVOLUTIONS | {"optimizer.name": "muon", "optimizer.learning_rate": 2e-3},
    "masks": {"model.name": "vit_tiny", "model.dropout": 0.1, "model.drop_path": 0.1},
    "contiguous": {"model.name": "small_cnn", "model.memory_format": "contiguous"},
    "float32": CONVOLUTIONS | {"precision.mixed_precision": "none"},
    "bf16": CONVOLUTIONS | {"precision.mixed_precision": "bf16"},
    "fp16": CONVOLUTIONS
    | {"precision.mixed_precision": "fp16", "precision.loss_scale": 256},  # a scale of 65536 would skip both steps
    "int8": CONVOLUTIONS | {"quantization.quantization_aware": True},
    "bf16-gradients": CONVOLUTIONS | {"distributed.gradient_format": "bf16"},
    "fp16-gradients": MLP | {"distributed.gradient_format": "fp16"},
    "accumulation": CONVOLUTIONS | {"training.batch_size": 16, "training.gradient_accumulation_steps": 3},
    "clip-by-value": MLP
    | {
        "training.gradient_clip_value": 0.005,
        "training.gradient_clip_norm": 0.0,
        "optimizer.name": "lars",
        "optimizer.learning_rate": 1.0,
    },
    "layer-decay-and-head": CONVOLUTIONS | {"optimizer.layer_decay": 0.7, "optimizer.head_learning_rate": 0.2},
    "focal-weights-mixing": CONVOLUTIONS
    | {
        "loss.name": "focal",
        "loss.class_weights": "inverse_sqrt",
        "augmentation.mixup_alpha": 0.4,
        "augmentation.cutmix_prob": 0.5,
    },
    "bce-augmented": CONVOLUTIONS
    | {"loss.name": "bce", "augmentation.rand_augment": True, "augmentation.random_erasing": 0.3},
    "plateau-and-evaluation": MLP
    | {
        "schedule.name": "plateau",
        "schedule.plateau_patience": 0,
        "training.epochs": 2,
        "training.max_steps": 0,
        "data.train_samples": 40,
    },
    "early-stopping": MLP
    | {
        "training.early_stopping": True,
        "training.early_stopping_metric": "ema_loss",
        "training.early_stopping_patience": 1,
        "training.epochs": 3,
        "training.max_steps": 0,
        "data.train_samples": 40,
    },
    "exact-statistics": CONVOLUTIONS | {"averaging.recompute_batch_norm": True},
    "audit-and-trace": CONVOLUTIONS | {"reliability.audit_every": 1, "run.trace": True},
    "checkpoints": CONVOLUTIONS | {"checkpoint.every_steps": 1},
}


@pytest.fixture(scope="module")
def seed():
    """The seed of the delays; printed, so that a failure can be reproduced with GHOST_TEST_SEED."""
    seed = int(os.environ.get("GHOST_TEST_SEED", random.SystemRandom().randrange(1 << 30)))
    print(f"GHOST_TEST_SEED={seed}")
    return seed


def run_on(ranks, output, settings, seed, *options, program=WORKER, **ghost):
    words = [
        *on_ghost(program, seed=seed + ranks, **ghost),
        QUICKSTART,
        "--output",
        output,
        *set_options(settings),
        *options,
    ]
    outcome = run(mpirun(ranks, words), environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 0, f"GHOST_TEST_SEED={seed}: {outcome.output}"
    return result_of(output)["state_hash"]


@pytest.mark.parametrize("name", RUNS)
def test_the_state_is_the_same_on_any_number_of_ranks(small_data, tmp_path, seed, name):
    settings = SETTINGS | {"data.path": str(small_data)} | RUNS[name]
    all_ranks = (1, 3) if name in LARGE_MODELS else (1, 2, 3)
    assert len({run_on(ranks, tmp_path / str(ranks), settings, seed) for ranks in all_ranks}) == 1, (
        f"GHOST_TEST_SEED={seed}"
    )


def test_a_taught_network_ends_in_one_state(small_data, tmp_path, seed):
    settings = SETTINGS | MLP | {"data.path": str(small_data)}
    run_on(2, tmp_path / "teacher", settings | {"model.hidden_sizes": [24]}, seed)
    taught = settings | {"distillation.teacher": str(tmp_path / "teacher")}
    assert len({run_on(ranks, tmp_path / str(ranks), taught, seed) for ranks in (1, 3)}) == 1


def test_a_killed_run_goes_on_to_the_same_state_on_other_ranks(small_data, tmp_path, seed):
    settings = (
        SETTINGS
        | CONVOLUTIONS
        | {"data.path": str(small_data), "training.max_steps": 5, "training.epochs": 9, "checkpoint.every_steps": 1}
    )
    whole = run_on(1, tmp_path / "whole", settings, seed)
    command = mpirun(
        2, [*on_ghost(WORKER, seed=seed), QUICKSTART, "--output", tmp_path / "killed", *set_options(settings)]
    )
    with Started(command, environment=MPI_ENVIRONMENT) as started:
        started.wait_for_event("checkpoint", step=2)
        os.kill(started.process_of_rank(1), signal.SIGKILL)
        started.finish()
    assert run_on(3, tmp_path / "killed", settings, seed) == whole


def test_the_state_depends_on_what_is_computed(small_data, tmp_path, seed):
    """Otherwise the equal hashes above would mean nothing."""
    settings = SETTINGS | MLP | {"data.path": str(small_data)}
    hashes = [
        run_on(1, tmp_path / str(i), settings | other, seed)
        for i, other in enumerate(
            [{}, {"training.max_steps": 1}, {"training.batch_size": 16}, {"optimizer.learning_rate": 0.2}]
        )
    ]
    assert len(set(hashes)) == len(hashes)


def test_evaluation_and_verification_start_on_gpus(small_data, tmp_path, seed):
    settings = SETTINGS | MLP | {"data.path": str(small_data), "checkpoint.every_steps": 1}
    run_on(2, tmp_path / "run", settings, seed)
    for option in ("--eval", "--verify"):
        outcome = run(mpirun(2, [*on_ghost(WORKER, seed=seed), option, tmp_path / "run"]), environment=MPI_ENVIRONMENT)
        assert outcome.exit_code == 0, outcome.output


def figures_of_step(counts):
    """The calls, copies and kernels that the host issues in one step of one rank."""
    calls = counts["calls"]

    def times(*starts):
        return sum(entry["times"] for name, entry in calls.items() if name.startswith(starts))

    def bytes_of(*starts):
        return int(sum(entry["bytes"] for name, entry in calls.items() if name.startswith(starts)))

    pageable = ("copy pageable to", "copy device to pageable")
    pinned = ("copy pinned to", "copy device to pinned")
    return {
        "launches": sum(entry["times"] for entry in counts["kernels"].values()),
        "library_calls": sum(entry["times"] for name, entry in calls.items() if COMPUTES.fullmatch(name)),
        "synchronisations": times("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
        + calls.get("cudaMemcpy", {"times": 0})["times"],
        "pageable_copies": times(*pageable),
        "pageable_bytes": bytes_of(*pageable),
        "pinned_copies": times(*pinned),
        "pinned_bytes": bytes_of(*pinned),
        "copies_on_the_gpu": times("copy device to device"),
        "memsets": times("memset"),
        "allocations": times("cudaMalloc", "cudaHostAlloc"),
    }


def counted_step(tmp_path, small_data, model, micro_batch):
    settings = SETTINGS | {
        "data.path": str(small_data),
        "model.name": model,
        "training.batch_size": 32,
        "training.micro_batch_size": micro_batch,
        "training.max_steps": 4,
        "training.epochs": 9,
        "averaging.use_swa": False,
        "training.evaluate_every_epochs": 0,
        "training.log_every_steps": 100,
    }
    run_on(1, tmp_path / "run", settings, 1, counts=tmp_path / "counts")
    [counts] = counts_of(tmp_path / "counts")
    return figures_of_step(counts["steps"][2])


@pytest.mark.parametrize("model", [*SMALL_MODELS, *LARGE_MODELS])
def test_a_step_asks_of_the_gpu_what_the_table_says(small_data, tmp_path, model):
    """gpu_counts.json is edited by hand, together with the change that alters the counts: a step with more launches,
    copies or waits is slower."""
    table = json.loads(TABLE.read_text())
    for micro_batch in (8, 32) if model in SMALL_MODELS else (32,):
        name = f"{model}, batch 32, micro-batches of {micro_batch}"
        assert {name: counted_step(tmp_path / str(micro_batch), small_data, model, micro_batch)} == {
            name: table.get(name)
        }
