"""The exponential moving average of runs that save every step, compared with torch.optim.swa_utils and timm."""

import pytest
import torch
from timm.utils import ModelEmaV3
from torch.optim.swa_utils import AveragedModel, update_bn

from tests.reference.networks import network
from tests.reference.pytorch_training import Data, initialised
from tests.reference.runs import configuration

SAVING_ALL = {"averaging": {"model_ema": True}, "checkpoint": {"every_steps": 1, "keep": 1000}}
RESNET = {
    "model": {"name": "resnet20"},
    "data": {"train_samples": 48},
    "training": {"batch_size": 8, "micro_batch_size": 4, "max_steps": 12},
}
RUNS = {"mlp": {"training": {"epochs": 5}}, "resnet20": RESNET}
DECAYS = {
    "0.9": {"model_ema_decay": 0.9},
    "0.5-after-warm-up": {"model_ema_decay": 0.5, "model_ema_warmup": True},
    "warm-up-throughout": {"model_ema_decay": 0.9999, "model_ema_warmup": True},
}


def decay_of(settings, update):
    """The decay of an update, counted from 1; the warm-up of the decay is that of tf.train.ExponentialMovingAverage."""
    warming_up = update / (9 + update)
    return min(settings["model_ema_decay"], warming_up) if settings["model_ema_warmup"] else settings["model_ema_decay"]


def torch_average(run, model):
    """AveragedModel, whose first update copies the initial weights."""
    average = AveragedModel(
        model,
        use_buffers=True,
        avg_fn=lambda mean, value, updates: (
            value.lerp(mean, decay_of(run.config["averaging"], int(updates))) if value.is_floating_point() else value
        ),
    )
    average.update_parameters(model)
    yield from (
        {name: tensor for name, tensor in average.module.state_dict().items()}
        for _ in walk(run, model, lambda step: average.update_parameters(model))
    )


def timm_average(run, model):
    average = ModelEmaV3(model)

    def update(step):
        average.decay = decay_of(run.config["averaging"], step)
        average.update(model)

    yield from (average.module.state_dict() for _ in walk(run, model, update))


def walk(run, model, update):
    """Loads the weights of each step into the model and calls `update`."""
    for step in range(1, run.result["steps"] + 1):
        model.load_state_dict(run.tensors(step=step), strict=True)
        update(step)
        yield


@pytest.mark.parametrize("reference", [torch_average, timm_average])
@pytest.mark.parametrize("decay", DECAYS)
@pytest.mark.parametrize("name", RUNS)
def test_the_average_after_every_step_is_that_of_the_library(lockstep, note, name, decay, reference):
    config = configuration(SAVING_ALL, RUNS[name], {"averaging": DECAYS[decay]})
    run, worst = lockstep(config), 0.0
    averages = reference(run, initialised(network(config), config["run"]["seed"]))
    for step, expected in enumerate(averages, 1):
        found = run.tensors("ema", step)
        assert found.keys() == expected.keys()
        for key in found:
            assert found[key].dtype == expected[key].dtype and found[key].shape == expected[key].shape, key
            difference = (found[key] - expected[key]).double().norm() / expected[key].double().norm().clamp(min=1e-30)
            worst = max(worst, difference.item())
            assert difference < 1e-5, (key, step)
    note(f"worst relative difference over {run.result['steps']} steps {worst:.1e}")
    assert run.result["steps"] >= 12
    assert any((run.tensors("ema")[key] - tensor).abs().max() > 1e-3 for key, tensor in run.tensors().items())


SWA = {
    "training": {"epochs": 8},
    "averaging": {"use_swa": True, "swa_start_epoch": 3, "swa_every_epochs": 2, "swa_lr": 0.05},
    "checkpoint": {"every_epochs": 1, "keep": 1000},
}


@pytest.mark.parametrize("name", RUNS)
def test_the_mean_of_swa_is_that_of_pytorch(lockstep, note, name):
    changes = RUNS[name] | {"training": RUNS[name].get("training", {}) | {"epochs": 8, "max_steps": 0}}
    config = configuration(SWA, changes)
    run = lockstep(config, 2)
    per_epoch = run.result["steps"] // 8
    model = network(config)
    average = AveragedModel(model, use_buffers=True)
    for epoch in (4, 6, 8):  # every second epoch after the start
        model.load_state_dict(run.tensors(step=epoch * per_epoch), strict=True)
        average.update_parameters(model)
    expected, found = average.module.state_dict(), run.tensors("swa")
    worst = max(
        ((found[key] - expected[key]).double().norm() / expected[key].double().norm().clamp(min=1e-30)).item()
        for key in found
        if "num_batches" not in key
    )
    note(f"worst relative difference of a mean of three {worst:.1e}")
    assert worst < 1e-6
    rates = [step["learning_rate"] for step in run.steps]
    assert set(rates[3 * per_epoch :]) == {0.05} and rates[3 * per_epoch - 1] != 0.05


@pytest.mark.parametrize("ranks", [1, 3])
def test_batch_norm_statistics_of_averages_are_those_of_update_bn(lockstep, note, ranks):
    config = configuration(
        SWA,
        RESNET,
        {"training": {"epochs": 8, "max_steps": 0}, "averaging": {"model_ema": True}, "data": {"train_samples": 50}},
    )
    run = lockstep(config, ranks)
    images = Data(config).inputs(Data(config).train_images)
    for name in ("ema", "swa"):
        model = network(config)
        model.load_state_dict(run.tensors(name), strict=True)
        update_bn(images[:48].split(4), model)  # whole micro-batches
        expected, found = model.state_dict(), run.exported(name)
        worst = max(
            ((found[key] - expected[key]).double().norm() / expected[key].double().norm()).item()
            for key in found
            if "num_batches" not in key
        )
        note(f"{name}: worst relative difference of a parameter or statistic {worst:.1e}")
        assert worst < 1e-5
        assert not torch.equal(found["bn1.running_mean"], run.tensors(name)["bn1.running_mean"])
