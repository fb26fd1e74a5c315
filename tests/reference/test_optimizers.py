"""Every optimiser over many steps with random settings: each step compared with the optimiser of PyTorch or timm, or
with the paper's equations, from the state that lockstep saved before it."""

import random

import pytest
import torch

from tests.reference import optimizers
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import batches, compare_each_step

MLP, RESNET20 = {"model": {"name": "mlp", "hidden_sizes": [48, 24]}}, {"model": {"name": "resnet20"}}
RATES = {
    "sgd": 0.1,
    "adam": 1e-3,
    "adamw": 1e-3,
    "rmsprop": 3e-4,
    "lars": 3.0,
    "lamb": 3e-3,
    "lion": 2e-4,
    "sophia": 1e-3,
    "muon": 2e-3,
}


def drawn_settings(name, draw):
    """Random settings within the table's ranges."""
    momentum = draw.choice([0.5, 0.9, 0.99])
    settings = {
        "name": name,
        "learning_rate": RATES[name] * draw.uniform(0.3, 2),
        "weight_decay": draw.choice([1e-4, 0.02, 0.1]),
        "momentum": momentum,
        "nesterov": draw.random() < 0.5,
        "beta1": draw.uniform(0.8, 0.95),
        "beta2": draw.uniform(0.9, 0.999),
        "eps": draw.choice([1e-8, 1e-6]),
        "no_decay_bias_norm": draw.random() < 0.7 or name in ("lars", "lamb"),
    }
    own = {
        "rmsprop": {"rmsprop_alpha": draw.uniform(0.9, 0.99)},
        "lars": {"trust_coefficient": draw.uniform(5e-4, 5e-3)},
        "lamb": {"trust_clip": draw.random() < 0.5},
        "sophia": {"sophia_rho": draw.uniform(0.02, 0.08), "sophia_every_steps": draw.choice([1, 2, 3])},
        "muon": {"muon_iterations": draw.choice([4, 5, 6])},
    }
    return settings | own.get(name, {})


def case(name, number):
    draw = random.Random(f"{name} {number}")
    sizes = draw.choice([(48, 8, 1), (32, 16, 2), (40, 8, 1)])
    clip = draw.choice([{}, {"gradient_clip_norm": 1.0}, {"gradient_clip_value": 0.01}])
    return configuration(batches(*sizes), MLP, {"optimizer": drawn_settings(name, draw), "training": clip})


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("name", RATES)
def test_each_of_ten_steps_with_random_settings_is_that_of_the_reference(lockstep, note, name, number):
    compare_each_step(lockstep(case(name, number), 1 + number), note)


@pytest.mark.parametrize("name", ["lars", "lamb", "muon", "sophia"])
def test_steps_of_a_convolutional_network_are_those_of_the_reference(lockstep, note, name):
    settings = {
        "name": name,
        "learning_rate": RATES[name],
        "trust_coefficient": 0.001,
        "sophia_rho": 0.04,
        "sophia_every_steps": 2,
        "muon_iterations": 5,
    }
    compare_each_step(
        lockstep(configuration(batches(16, 4), RESNET20, {"optimizer": settings, "training": {"max_steps": 4}}), 2),
        note,
    )


def test_clipping_by_value_leaves_running_statistics_alone(lockstep, note):
    clip = {"gradient_clip_value": 0.002, "max_steps": 3}
    compare_each_step(lockstep(configuration(batches(16, 4), RESNET20, {"training": clip}), 3), note)


def test_a_step_of_muon_is_that_of_pytorch_within_its_bfloat16():
    draw = torch.Generator().manual_seed(1)
    weights, gradient = torch.randn(24, 40, generator=draw), torch.randn(24, 40, generator=draw)
    ours, theirs = torch.nn.Parameter(weights.clone()), torch.nn.Parameter(weights.clone())
    settings = {
        "learning_rate": 0.01,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "momentum": 0.95,
        "nesterov": True,
        "muon_iterations": 5,
    }
    ours.grad, theirs.grad = gradient.clone(), gradient.clone()
    optimizers.Muon([{"params": [ours], "weight_decay": 0.1, "matrix": True}], settings).step()
    torch.optim.Muon([theirs], lr=0.01, weight_decay=0.1, momentum=0.95, adjust_lr_fn="match_rms_adamw").step()
    assert (ours - theirs).norm() < 0.02 * (theirs - weights).norm()


GROUPS = {
    "layer_decay": {"layer_decay": 0.6},
    "head": {"head_learning_rate": 0.5},
    "both": {"layer_decay": 0.7, "head_learning_rate": 0.01},
    "scaled": {"lr_scaling": "linear"},
    "root": {"lr_scaling": "sqrt", "lr_scaling_base_batch": 8},
}


@pytest.mark.parametrize("group", GROUPS)
def test_layers_and_the_head_learn_at_rates_of_their_own(lockstep, note, group):
    compare_each_step(lockstep(configuration(batches(32, 8), MLP, {"optimizer": GROUPS[group]}), 2), note)


@pytest.mark.parametrize("name", [*optimizers.NAMES_IN_TIMM, "small_cnn"])
def test_layers_are_counted_as_timm_counts_them_where_it_has_the_network(lockstep, note, name):
    compare_each_step(
        lockstep(
            configuration(
                batches(4), {"model": {"name": name}, "training": {"max_steps": 1}, "optimizer": {"layer_decay": 0.8}}
            )
        ),
        note,
    )
