"""The effects of augmentation, MixUp and CutMix depend neither on the number of ranks nor on interruptions."""

import pytest

from tests.support.idx_files import first_images, write_folder
from tests.support.launching import metrics_of, result_of, run, train, train_command

ALL_AT_ONCE = {
    "augmentation.crop_padding": 2,
    "augmentation.flip_probability": 0.5,
    "augmentation.rand_augment": True,
    "augmentation.brightness": 0.3,
    "augmentation.contrast": 0.3,
    "augmentation.random_erasing": 0.3,
    "augmentation.mixup_alpha": 0.4,
    "augmentation.cutmix_prob": 0.5,
    "augmentation.repeated_augmentation": 2,
}
THE_OTHERS = {
    "augmentation.crop_padding": 0,
    "augmentation.random_resized_crop": True,
    "augmentation.resized_crop_min_scale": 0.3,
    "augmentation.trivial_augment": True,
    "augmentation.cutmix_prob": 1.0,
}
AUGMENTATIONS = {"all_at_once": ALL_AT_ONCE, "the_others": THE_OTHERS}


def settings_of(mlp, augmentation):
    return mlp | {"training.max_steps": 5, "data.train_samples": 600, "data.test_samples": 100} | augmentation


def outcome_of(output):
    return result_of(output)["state_hash"], [line["loss"] for line in metrics_of(output) if "loss" in line]


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_any_number_of_ranks_gives_the_state_of_one(mlp, tmp_path, augmentation):
    settings = settings_of(mlp, AUGMENTATIONS[augmentation])
    outcomes = []
    for ranks in (1, 2, 3, 4):
        train(tmp_path / str(ranks), ranks, settings)
        outcomes.append(outcome_of(tmp_path / str(ranks)))
    assert outcomes == outcomes[:1] * 4


@pytest.mark.parametrize("augmentation", AUGMENTATIONS)
def test_a_run_that_stops_and_goes_on_with_other_ranks_gives_the_state_of_one_that_does_not(
    mlp, tmp_path, augmentation
):
    settings = settings_of(mlp, AUGMENTATIONS[augmentation])
    train(tmp_path / "whole", 1, settings)
    train(tmp_path / "parts", 3, settings | {"training.max_steps": 2})
    train(tmp_path / "parts", 2, settings)
    assert outcome_of(tmp_path / "parts") == outcome_of(tmp_path / "whole")


def test_augmentation_switched_off_gives_the_state_of_none(mlp, tmp_path):
    plain = mlp | {"training.max_steps": 2, "augmentation.crop_padding": 0, "augmentation.flip_probability": 0.0}
    train(tmp_path / "plain", 1, plain)
    train(tmp_path / "off", 2, plain | ALL_AT_ONCE | {"augmentation.enabled": False})
    assert outcome_of(tmp_path / "off") == outcome_of(tmp_path / "plain")


@pytest.mark.parametrize("setting", ["mixup_alpha", "cutmix_prob"])
def test_mixing_is_refused_where_a_micro_batch_has_one_sample(mlp, tmp_path, setting):
    settings = mlp | {f"augmentation.{setting}": 0.5, "training.micro_batch_size": 1, "training.batch_size": 8}
    outcome = run(train_command(tmp_path / "run", 2, settings))
    assert outcome.exit_code == 2
    assert f"augmentation.{setting} mixes the samples of a micro-batch in pairs" in outcome.stderr


def test_mixing_is_refused_where_there_is_one_class(mlp, tmp_path):
    one_class = first_images("train", 300)._replace(labels=bytes(300))
    data = write_folder(tmp_path / "data", one_class, one_class)
    settings = mlp | {"data.path": str(data), "augmentation.mixup_alpha": 0.2}
    outcome = run(train_command(tmp_path / "run", 2, settings))
    assert outcome.exit_code == 2
    assert "augmentation.mixup_alpha mixes the samples of different classes" in outcome.stderr
