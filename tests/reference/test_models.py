"""Every model compared with torchvision, timm and plain PyTorch: steps of SGD from the same weights. The large models
start from a file of random weights written by PyTorch."""

import gzip
import struct

import numpy as np
import pytest
import torch

from tests.reference.pytorch_training import Training, at_start
from tests.reference.random_weights import from_file, randomised, save
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import Worst, compare_each_step, relative

FEW = {"data": {"train_samples": 32, "test_samples": 4}, "optimizer": {"learning_rate": 0.01, "weight_decay": 0.05}}
TWO_STEPS = {"training": {"batch_size": 8, "micro_batch_size": 8, "max_steps": 2}, "checkpoint": {"every_steps": 1}}
ONE_STEP = {"training": {"batch_size": 4, "micro_batch_size": 4, "max_steps": 1}}
FROZEN = {"optimizer": {"learning_rate": 1e-30, "weight_decay": 0.0}}


@pytest.fixture(scope="module")
def larger_images(tmp_path_factory):
    """A folder of random images of 64 x 64 pixels."""
    folder, random = tmp_path_factory.mktemp("data"), np.random.default_rng(5)
    for part in ("train", "t10k"):
        for kind, array in (
            ("images-idx3", random.integers(0, 256, (40, 64, 64), np.uint8)),
            ("labels-idx1", np.arange(40, dtype=np.uint8) % 10),
        ):
            header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))
    return {"data": {"path": str(folder)}}


@pytest.mark.parametrize("name", ["small_cnn", "resnet56", "vit_tiny"])
def test_two_steps_from_drawn_weights_are_those_of_pytorch(lockstep, note, name):
    compare_each_step(lockstep(configuration(FEW, TWO_STEPS, {"model": {"name": name}})), note)


@pytest.mark.parametrize(
    "model",
    [
        {"name": "small_cnn"},
        {"name": "resnet34"},
        {"name": "resnet50"},
        {"name": "vit_tiny"},
        {"name": "convnext_tiny"},
        {"name": "vit_tiny", "memory_format": "contiguous"},
        {"name": "convnext_tiny", "memory_format": "contiguous"},
    ],
    ids=lambda model: "-".join(model.values()),
)
def test_a_step_from_pretrained_weights_is_that_of_torchvision_or_timm(lockstep, note, tmp_path, model):
    compare_each_step(lockstep(from_file(configuration(FEW, ONE_STEP, {"model": model}), tmp_path)), note)


def test_the_loss_of_the_widest_model_is_that_of_torchvision(lockstep, note, tmp_path):
    """Only the loss is compared: a step takes long, and saving it writes 500 MB."""
    small = {"training": {"batch_size": 2, "micro_batch_size": 2, "max_steps": 1}, "data": {"test_samples": 1}}
    config = from_file(configuration(FEW, FROZEN, small, {"model": {"name": "wide_resnet50_2"}}), tmp_path)
    run, training, worst = lockstep(config), Training(config), Worst()
    expected = training.step(0)
    for kind in ("loss", "gradient_norm"):
        worst.see(kind, abs(run.steps[0][kind] / expected[kind] - 1))
    note(worst.text())


@pytest.mark.parametrize(
    "model",
    [
        {"name": "resnet18"},
        {"name": "vit_tiny"},
        {"name": "convnext_tiny"},
        {"name": "vit_tiny", "patch_size": 8},
        {"name": "small_cnn"},
    ],
    ids=lambda model: "-".join(map(str, model.values())),
)
def test_images_of_64_pixels_take_the_first_layers_of_the_papers(lockstep, note, tmp_path, larger_images, model):
    config = configuration(FEW, ONE_STEP, larger_images, {"model": model})
    compare_each_step(lockstep(from_file(config, tmp_path)), note)


@pytest.mark.parametrize("name", ["resnet20", "resnet18"])
def test_zero_init_residual_starts_the_last_norms_at_zero(lockstep, name):
    config = configuration(FEW, FROZEN, ONE_STEP, {"model": {"name": name, "zero_init_residual": True}})
    found, expected = lockstep(config).tensors(), dict(at_start(config).named_parameters())
    zeros = [name for name, tensor in expected.items() if not tensor.any()]
    assert len([name for name in zeros if name.endswith("bn2.weight")]) == {"resnet20": 9, "resnet18": 8}[name]
    for parameter, tensor in expected.items():
        assert torch.allclose(found[parameter], tensor.detach(), rtol=1.2e-7, atol=1e-25), parameter


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_pretrained_weights_of_16_bits_are_converted(lockstep, tmp_path, kind):
    config = configuration(FEW, FROZEN, ONE_STEP, {"model": {"name": "small_cnn"}})
    halves = {
        name: tensor.to(kind) if tensor.is_floating_point() else tensor
        for name, tensor in randomised(config).state_dict().items()
    }
    save(halves, tmp_path / "half.safetensors")
    found = lockstep(configuration(config, {"model": {"pretrained": str(tmp_path / "half.safetensors")}})).tensors()
    for name, tensor in halves.items():
        assert ".running_" in name or "num_batches" in name or relative(found[name], tensor) < 1e-12, name
