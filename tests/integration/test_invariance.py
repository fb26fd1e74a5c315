"""The result does not depend on the number of ranks."""

import tomllib

import pytest

from tests.integration.conftest import STEP_OF_8
from tests.support.launching import metrics_of, result_of, train

PHASES = (
    "data",
    "forward",
    "backward",
    "exchange",
    "exposed",
    "update",
    "checkpoint",
    "evaluation",
    "other",
    "slowest",
)
TIMINGS = {"step_ms", "images_per_second", "slowest_rank"} | {f"{phase}_ms" for phase in PHASES}
SAME = (
    "state_hash",
    "weights_hash",
    "test_accuracy",
    "test_loss",
    "ema_test_accuracy",
    "ema_test_loss",
    "swa_test_accuracy",
    "swa_test_loss",
)


def figures_of(output):
    """The results of a run, without measured times and the names of ranks."""
    result = result_of(output)
    return {key: result.get(key) for key in SAME}


def expect_same(output, reference, ranks):
    assert result_of(output)["ranks"] == ranks
    assert figures_of(output) == figures_of(reference)
    assert numbers_of(output) == numbers_of(reference)


def numbers_of(output):
    """The lines of metrics.jsonl, without measured times."""
    return [{key: value for key, value in line.items() if key not in TIMINGS} for line in metrics_of(output)]


def losses_of(output):
    return [line["loss"] for line in metrics_of(output) if "loss" in line]


class Everything:
    """The quickstart with every feature that could make a difference between numbers of ranks."""

    steps = 20
    settings = STEP_OF_8 | {
        "training.max_steps": steps,
        "training.log_every_steps": 1,
        "training.gradient_clip_norm": 1.0,
        "data.test_samples": 300,
    }


@pytest.fixture(scope="module")
def everything(small_data, tmp_path_factory):
    """(settings, run folder of one rank)"""
    settings = Everything.settings | {"data.path": str(small_data)}
    output = tmp_path_factory.mktemp("one-rank") / "run"
    train(output, 1, settings)
    return settings, output


def test_the_run_that_is_compared_has_everything_on(everything):
    _, output = everything
    with (output / "resolved.toml").open("rb") as file:
        config = tomllib.load(file)
    assert config["model"]["name"] == "resnet20"  # with batch norm in every block
    assert config["training"]["gradient_accumulation_steps"] == 2
    assert config["averaging"]["model_ema"]
    assert config["augmentation"]["enabled"]
    assert config["augmentation"]["crop_padding"] > 0 and config["augmentation"]["flip_probability"] > 0
    assert config["schedule"]["warmup_ratio"] > 0
    assert config["loss"]["label_smoothing"] > 0
    steps = [line for line in metrics_of(output) if "loss" in line]
    assert len(steps) == Everything.steps
    assert any(step["gradient_norm"] > config["training"]["gradient_clip_norm"] for step in steps)
    assert steps[0]["learning_rate"] < steps[1]["learning_rate"] < steps[2]["learning_rate"]
    assert steps[0]["epoch"] == 1 and steps[-1]["epoch"] == 2


def test_the_loss_falls_and_the_model_learns(everything):
    _, output = everything
    losses = losses_of(output)
    assert sum(losses[-3:]) / 3 < 0.75 * losses[0]
    assert result_of(output)["test_accuracy"] > 0.2  # chance is 0.1
    assert result_of(output)["ema_test_accuracy"] > 0.2


@pytest.mark.parametrize("ranks", [2, 3, 4, 5, 8])
def test_any_number_of_ranks_gives_the_state_of_one(everything, tmp_path, ranks):
    settings, reference = everything
    train(tmp_path / "run", ranks, settings)
    expect_same(tmp_path / "run", reference, ranks)


def test_the_same_run_again_gives_the_same_state_and_another_seed_does_not(everything, tmp_path):
    settings, _ = everything
    short = settings | {"training.max_steps": 2}
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        train(tmp_path / name, 2, short | {"run.seed": seed})
    hashes = [result_of(tmp_path / name)["state_hash"] for name in "abc"]
    assert hashes[0] == hashes[1] != hashes[2]


# (samples of a batch, of a micro-batch, batches of a step), micro-batches of a step, numbers of ranks
SHAPES = {
    "K=12": ((48, 8, 2), 12, [5, 8]),
    "K=7": ((56, 8, 1), 7, [2, 3, 8]),  # a prime, and fewer micro-batches than ranks
    "K=3": ((24, 8, 1), 3, [2, 4]),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_micro_batches_need_not_be_a_multiple_of_the_ranks(small_data, tmp_path, shape):
    (batch, micro_batch, accumulated), micro_batches, rank_counts = SHAPES[shape]
    assert batch * accumulated // micro_batch == micro_batches
    settings = Everything.settings | {
        "data.path": str(small_data),
        "data.train_samples": 960,
        "data.test_samples": 100,
        "training.max_steps": 5,
        "training.batch_size": batch,
        "training.micro_batch_size": micro_batch,
        "training.gradient_accumulation_steps": accumulated,
    }
    train(tmp_path / "1", 1, settings)
    for ranks in rank_counts:
        outcome = train(tmp_path / str(ranks), ranks, settings)
        expect_same(tmp_path / str(ranks), tmp_path / "1", ranks)
        assert ("have no micro-batch" in outcome.stderr) == (ranks > micro_batches)


def test_adamw_with_a_stepped_schedule_gives_one_state(small_data, tmp_path):
    settings = Everything.settings | {
        "data.path": str(small_data),
        "data.train_samples": 128,
        "data.test_samples": 100,
        "training.max_steps": 6,
        "training.batch_size": 32,
        "training.micro_batch_size": 8,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.002,
        "schedule.name": "step",
        "schedule.step_epochs": 2,
    }
    train(tmp_path / "1", 1, settings)
    rates = [line["learning_rate"] for line in metrics_of(tmp_path / "1") if "loss" in line]
    assert rates[-1] < max(rates)
    for ranks in (2, 3):
        train(tmp_path / str(ranks), ranks, settings)
        expect_same(tmp_path / str(ranks), tmp_path / "1", ranks)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_the_mlp_gives_one_state(mlp, tmp_path, optimizer):
    settings = mlp | {
        "training.max_steps": 40,
        "optimizer.name": optimizer,
        "optimizer.learning_rate": 0.1 if optimizer == "sgd" else 0.003,
    }
    train(tmp_path / "1", 1, settings)
    losses = losses_of(tmp_path / "1")
    assert losses[-1] < 0.75 * losses[0]
    for ranks in (2, 3, 5, 8):
        train(tmp_path / str(ranks), ranks, settings)
        expect_same(tmp_path / str(ranks), tmp_path / "1", ranks)


def test_evaluation_covers_each_sample_once_whatever_the_ranks_and_the_chunks(mlp, tmp_path):
    """399 samples in chunks of 50: neither the chunks nor the ranks divide them evenly."""
    settings = mlp | {"training.max_steps": 20, "data.test_samples": 399}
    accuracies = set()
    for ranks, chunk in ((1, 399), (1, 50), (3, 50), (8, 50), (2, 1000)):
        output = tmp_path / f"{ranks}-{chunk}"
        train(output, ranks, settings | {"training.evaluation_batch_size": chunk})
        accuracies.add(result_of(output)["test_accuracy"])
    [accuracy] = accuracies
    assert round(accuracy * 399) / 399 == accuracy
