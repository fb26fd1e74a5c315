"""Training with simulated int8 compared with PyTorch's observers and fake quantisation; and the exported scales."""

import json
import types

import pytest
import torch
from torch.ao.quantization import MinMaxObserver, PerChannelMinMaxObserver
from torch.nn import functional as F

from tests.reference.pytorch_training import Training
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import Worst, batches, saved

QAT = {"quantization": {"quantization_aware": True}}
MODELS = {
    "mlp": [batches(32, 8), {"model": {"name": "mlp", "hidden_sizes": [24, 16]}, "training": {"max_steps": 6}}],
    "resnet20": [batches(8, 4), {"model": {"name": "resnet20"}, "training": {"max_steps": 3}}],
}


def input_observer():
    return MinMaxObserver(dtype=torch.quint8, quant_min=0, quant_max=255)


def weight_observer():
    return PerChannelMinMaxObserver(
        0, dtype=torch.qint8, qscheme=torch.per_channel_symmetric, quant_min=-127, quant_max=127
    )


def parameters_of(observer, tensor):
    observer(tensor.detach())
    scale, zero_point = observer.calculate_qparams()
    return scale, zero_point.int()


def rounded(layer, x, seen):
    scale, zero_point = parameters_of(observer := input_observer(), x)
    seen.append((observer.min_val.clamp(max=0), observer.max_val.clamp(min=0)))
    x = torch.fake_quantize_per_tensor_affine(x, scale, zero_point, 0, 255)
    weight = torch.fake_quantize_per_channel_affine(
        layer.weight, *parameters_of(weight_observer(), layer.weight), 0, -127, 127
    )
    if isinstance(layer, torch.nn.Linear):
        return F.linear(x, weight, layer.bias)
    return F.conv2d(x, weight, layer.bias, layer.stride, layer.padding)


def quantised(model):
    """Makes the model's layers round their inputs and weights; returns {layer: [(lowest, highest) input of each
    micro-batch]}."""
    seen = {}
    for name, layer in model.named_modules():
        if isinstance(layer, (torch.nn.Linear, torch.nn.Conv2d)):
            ranges = seen.setdefault(name, [])
            layer.register_buffer("input_min", torch.zeros(()))
            layer.register_buffer("input_max", torch.zeros(()))
            layer.forward = types.MethodType(lambda self, x, ranges=ranges: rounded(self, x, ranges), layer)
    return seen


@pytest.mark.parametrize("model", MODELS)
def test_each_step_rounds_as_pytorchs_fake_quantisation(lockstep, note, model):
    run = lockstep(configuration(*MODELS[model], QAT), 2)
    training, worst = Training(run.config), Worst()
    seen = quantised(training.model)
    for step, found in enumerate(run.steps):
        if step > 0:
            training.set_state(*saved(run, training, step), step)
        expected = training.step(step)
        worst.see("loss", abs(found["loss"] / expected["loss"] - 1))
        for name, ranges in seen.items():
            for kind, values in zip(("input_min", "input_max"), zip(*ranges, strict=True), strict=False):
                training.model.get_buffer(f"{name}.{kind}").lerp_(torch.stack(values).mean(), 0.1)
            ranges.clear()
        worst.see_tensors("weights and ranges", run.tensors(step=step + 1), training.weights())
    note(f"{len(run.steps)} steps, worst relative differences: {worst.text()}; {len(seen)} layers")


@pytest.mark.parametrize("model", MODELS)
def test_the_exported_scales_are_those_of_the_exported_weights(lockstep, model):
    run = lockstep(configuration(*MODELS[model], QAT), 2)
    scales, tensors = json.loads((run.folder / "run" / "weights.int8.json").read_text()), run.exported()
    layers = {name.removesuffix(".input_min") for name in tensors if name.endswith(".input_min")}
    assert scales.keys() == layers and layers
    for name, found in scales.items():
        expected, _ = parameters_of(weight_observer(), tensors[f"{name}.weight"])
        assert found["weight_scales"] == pytest.approx(expected.tolist(), rel=1e-6)
        scale, zero_point = parameters_of(
            input_observer(), torch.stack([tensors[f"{name}.input_min"], tensors[f"{name}.input_max"]])
        )
        assert found["input_scale"] == pytest.approx(scale.item(), rel=1e-6)
        assert found["input_zero_point"] == zero_point.item()


def test_accuracy_is_that_of_the_rounded_network(lockstep):
    """50 test images say little about the rounding: the losses show that it has an effect."""
    quantised_run, plain = (lockstep(configuration(*MODELS["mlp"], change), 2) for change in (QAT, {}))
    assert quantised_run.result["test_loss"] != plain.result["test_loss"]
