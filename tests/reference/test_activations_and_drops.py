"""Every activation, and the masks of dropout and drop path, compared with PyTorch and numpy."""

import numpy as np
import pytest

from tests.reference.networks import ACTIVATIONS
from tests.reference.pytorch_training import Training
from tests.reference.random_weights import from_file
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import compare_each_step
from tests.support import reference

FEW = {"data": {"train_samples": 32, "test_samples": 4}, "optimizer": {"learning_rate": 0.01, "weight_decay": 0.05}}
TWO_STEPS = {"training": {"batch_size": 8, "micro_batch_size": 8, "max_steps": 2}, "checkpoint": {"every_steps": 1}}
ONE_STEP = {"training": {"batch_size": 4, "micro_batch_size": 4, "max_steps": 1}}
TWO_MICRO_BATCHES = {
    "training": {"batch_size": 16, "micro_batch_size": 8, "max_steps": 2},
    "checkpoint": {"every_steps": 1},
}


@pytest.mark.parametrize("name", ["mlp", "small_cnn"])
@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name != "relu"])
def test_activations_are_those_of_pytorch(lockstep, note, name, activation):
    model = {"name": name, "activation": activation}
    compare_each_step(lockstep(configuration(FEW, TWO_STEPS, {"model": model})), note)


@pytest.mark.parametrize(
    "model",
    [{"name": "resnet20", "activation": "silu"}, {"name": "vit_tiny", "activation": "hardswish"}],
    ids=lambda model: model["name"],
)
def test_residual_networks_and_transformers_take_other_activations(lockstep, note, model):
    compare_each_step(lockstep(configuration(FEW, TWO_STEPS, {"model": model})), note)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "mlp", "hidden_sizes": [64, 33], "dropout": 0.3},
        {"name": "small_cnn", "dropout": 0.5},
        {"name": "resnet20", "drop_path": 0.5, "dropout": 0.1},
        {"name": "vit_tiny", "drop_path": 0.4, "dropout": 0.2},
    ],
    ids=lambda model: model["name"],
)
def test_masks_are_those_of_the_reference_in_every_micro_batch(lockstep, note, model):
    config = configuration(FEW, TWO_MICRO_BATCHES, {"model": model})
    compare_each_step(lockstep(config, 2), note)
    plain = configuration(config, {"model": {"dropout": 0.0, "drop_path": 0.0}})
    with_masks, without = (Training(changed).step(0)["gradient_norm"] for changed in (config, plain))
    assert abs(with_masks / without - 1) > 1e-3  # so the comparison is sensitive to the masks


def test_drop_path_of_convnext_is_that_of_the_reference(lockstep, note, tmp_path):
    model = {"name": "convnext_tiny", "drop_path": 0.3, "dropout": 0.2}
    compare_each_step(lockstep(from_file(configuration(FEW, ONE_STEP, {"model": model}), tmp_path)), note)


@pytest.mark.parametrize("purpose", [reference.DROPOUT, reference.DROP_PATH])
def test_masks_drop_the_share_that_is_asked_for_and_keep_the_mean(purpose):
    masks = np.stack(
        [
            reference.drop_mask(7, purpose, step, micro_batch, layer, 0.3, 10000)
            for step in range(3)
            for micro_batch in range(3)
            for layer in range(3)
        ]
    )
    assert len({mask.tobytes() for mask in masks}) == len(masks)
    assert abs((masks == 0).mean() - 0.3) < 0.005 and abs(masks.mean() - 1) < 0.005
