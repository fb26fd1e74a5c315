"""Philox, sample order, augmentation and initial weights: the reference compared with known answers, and lockstep with
the reference.

With a learning rate of 1e-30 no weight changes in float32, so each step's loss is that of its samples with the initial
weights. In steps of one sample the loss identifies the sample, and how it was cropped and mirrored."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.reference.networks import network
from tests.reference.pytorch_training import Data, initialised
from tests.reference.runs import configuration
from tests.support import reference

# kat_vectors of Random123 (Salmon et al. 2011), philox4x32 with 10 rounds: counter, key, result.
KNOWN_ANSWERS = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]
FROZEN = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0.0}}
ONE_BY_ONE = {"data": {"train_samples": 100}, "training": {"batch_size": 1, "micro_batch_size": 1, "epochs": 3}}


def numbers(text):
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize("counter, key, result", KNOWN_ANSWERS)
def test_philox_gives_the_known_answers_of_random123(counter, key, result):
    assert [int(word) for word in reference.philox(numbers(counter), numbers(key))] == numbers(result)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 16, 17, 100, 1000, 60000])
def test_the_sample_order_is_a_permutation_that_differs_by_epoch_and_seed(count):
    orders = [reference.sample_order(seed, epoch, count) for seed, epoch in [(0, 0), (0, 1), (1, 0), (2**32, 0)]]
    assert all((np.sort(order) == np.arange(count)).all() for order in orders)
    if count > 16:
        assert len({order.tobytes() for order in orders}) == len(orders)


def losses_one_by_one(config):
    data, model = Data(config), initialised(network(config), config["run"]["seed"])
    steps = config["training"]["epochs"] * config["data"]["train_samples"]
    with torch.no_grad():
        return [
            F.cross_entropy(model(images), labels).item()
            for step in range(steps)
            for images, labels in data.micro_batches(step)
        ]


@pytest.mark.parametrize(
    "seed, augmentation",
    [
        (0, {}),
        (7, {"crop_padding": 2, "flip_probability": 0.5}),
        (123456789012, {"flip_probability": 0.1}),
        (2**53, {"crop_padding": 4}),
    ],
    ids=["plain", "crop_and_flip", "flip", "crop"],
)
def test_every_sample_comes_in_the_reference_order_with_its_crop_and_flip(lockstep, note, seed, augmentation):
    config = configuration(FROZEN, ONE_BY_ONE, {"run": {"seed": seed}, "augmentation": augmentation})
    expected = np.array(losses_one_by_one(config))
    found = np.array([step["loss"] for step in lockstep(config).steps])
    assert len(set(expected.round(5))) > 90  # of 100 samples: so a loss identifies its sample
    worst = np.abs(found / expected - 1).max()
    note(f"worst relative difference of {len(expected)} losses: {worst:.1e}")
    assert worst < 1e-5


def test_augmentation_switched_off_leaves_the_images_alone(lockstep):
    switched_off = {"augmentation": {"enabled": False, "crop_padding": 2, "flip_probability": 0.5}}
    plain = configuration(FROZEN, ONE_BY_ONE)
    found = [step["loss"] for step in lockstep(configuration(FROZEN, ONE_BY_ONE, switched_off)).steps]
    assert np.allclose(found, losses_one_by_one(plain), rtol=1e-5, atol=0)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "mlp", "hidden_sizes": [33, 5]},
        {"name": "resnet20"},
        {"name": "resnet18"},
        {"name": "small_cnn"},
        {"name": "vit_tiny"},
    ],
    ids=lambda model: model["name"],
)
def test_initial_weights_are_those_of_the_reference(lockstep, note, model):
    size = {"batch_size": 2, "micro_batch_size": 2, "max_steps": 1}
    config = configuration(FROZEN, {"model": model, "training": size, "data": {"test_samples": 2}})
    found = lockstep(config).tensors()
    names = initialised(network(config), config["run"]["seed"]).named_parameters()
    differing = total = 0
    for name, parameter in names:
        expected = parameter.detach()
        # One unit in the last place, where the log or cos of the C library and of numpy round differently in float64.
        assert torch.allclose(found[name], expected, rtol=1.2e-7, atol=1e-25), name
        total += expected.numel()
        differing += int(((found[name] - expected).abs() > 1e-25).sum())
    note(f"{differing} of {total} initial weights differ in the last bit")
    assert differing <= 1e-6 * total
