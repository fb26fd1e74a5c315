"""The result depends neither on the number of ranks nor on an interruption, with dropout and drop path switched on."""

import pytest

from tests.integration.conftest import STEP_OF_8
from tests.integration.test_invariance import expect_same, figures_of
from tests.support.launching import result_of, train

MODELS = {
    "small_cnn": {"model.name": "small_cnn", "model.dropout": 0.3},
    "vit_tiny": {
        "model.name": "vit_tiny",
        "model.dropout": 0.1,
        "model.drop_path": 0.3,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.001,
        "training.batch_size": 8,
        "training.micro_batch_size": 2,
        "data.test_samples": 16,
    },
    "resnet20": {
        "model.name": "resnet20",
        "model.drop_path": 0.2,
        "model.zero_init_residual": True,
        "model.activation": "silu",
    },
}


@pytest.fixture(scope="module", params=MODELS)
def model(request, small_data, tmp_path_factory):
    """(settings of four steps, run folder of one rank)"""
    settings = (
        STEP_OF_8
        | {
            "data.path": str(small_data),
            "data.train_samples": 512,
            "data.test_samples": 50,
            "training.batch_size": 32,
            "training.micro_batch_size": 8,
            "training.log_every_steps": 1,
            "training.max_steps": 4,
        }
        | MODELS[request.param]
    )
    output = tmp_path_factory.mktemp("one-rank") / "run"
    train(output, 1, settings)
    return settings, output


@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_any_number_of_ranks_gives_the_state_of_one(model, tmp_path, ranks):
    settings, reference = model
    train(tmp_path / "run", ranks, settings)
    expect_same(tmp_path / "run", reference, ranks)


def test_a_run_continued_on_other_ranks_gives_the_state_of_one_run(model, tmp_path):
    settings, reference = model
    train(tmp_path / "run", 3, settings | {"training.max_steps": 2})
    assert result_of(tmp_path / "run")["state_hash"] != result_of(reference)["state_hash"]
    train(tmp_path / "run", 2, settings)
    assert figures_of(tmp_path / "run") == figures_of(reference)


def test_the_masks_and_the_start_at_zero_change_the_result(model, tmp_path):
    settings, reference = model
    without = settings | {"model.dropout": 0, "model.drop_path": 0, "model.zero_init_residual": False}
    train(tmp_path / "run", 2, without)
    assert result_of(tmp_path / "run")["state_hash"] != result_of(reference)["state_hash"]
