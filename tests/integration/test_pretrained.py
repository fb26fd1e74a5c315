"""Files of pretrained weights as users may supply them: with other classes, of other models, damaged, missing."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.support.launching import result_of, run, train, train_command

CNN = {
    "model.name": "small_cnn",
    "training.batch_size": 32,
    "training.micro_batch_size": 8,
    "data.train_samples": 512,
    "training.gradient_accumulation_steps": 1,
    "data.test_samples": 50,
    "training.log_every_steps": 1,
}
FROZEN = {"optimizer.learning_rate": 1e-30, "optimizer.weight_decay": 0, "training.max_steps": 1}


def weights_of(output, step=1):
    return load_file(output / "checkpoint" / f"step-{step:08}" / "weights.safetensors")


@pytest.fixture(scope="module")
def settings(small_data):
    return CNN | {"data.path": str(small_data)}


@pytest.fixture(scope="module")
def trained(settings, tmp_path_factory):
    """The weights of another run of the model, as in lockstep's checkpoint, including its counters."""
    output = tmp_path_factory.mktemp("trained") / "run"
    train(output, 1, settings | {"training.max_steps": 3, "run.seed": 5})
    return output / "checkpoint" / "step-00000003" / "weights.safetensors"


def outcome_of(settings, path, output, ranks=2):
    return run(train_command(output, ranks, settings | FROZEN | {"model.pretrained": str(path)}))


def test_the_weights_of_a_checkpoint_are_a_start(settings, trained, tmp_path):
    assert outcome_of(settings, trained, tmp_path / "run").exit_code == 0
    found, expected = weights_of(tmp_path / "run"), load_file(trained)
    parameters = [name for name in expected if name.endswith((".weight", ".bias"))]
    assert len(parameters) == 11
    for name in parameters:
        assert torch.allclose(found[name], expected[name], rtol=0, atol=1e-25), name


def test_a_last_layer_of_other_classes_begins_anew_and_that_is_said_once(settings, trained, tmp_path):
    train(tmp_path / "drawn", 1, settings | FROZEN)
    other = load_file(trained) | {"fc.weight": torch.zeros(7, 64), "fc.bias": torch.zeros(7)}
    save_file(other, tmp_path / "other.safetensors")
    outcome = outcome_of(settings, tmp_path / "other.safetensors", tmp_path / "run")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stderr.count("has a last layer, fc, of another shape") == 1
    found, drawn = weights_of(tmp_path / "run"), weights_of(tmp_path / "drawn")
    assert torch.equal(found["fc.weight"], drawn["fc.weight"]) and torch.equal(found["fc.bias"], drawn["fc.bias"])
    assert torch.allclose(found["conv2.weight"], other["conv2.weight"], rtol=0, atol=1e-25)


def test_weights_in_floating_point_are_a_start_for_int8_and_the_other_way_round(settings, trained, tmp_path):
    outcome = outcome_of(settings | {"quantization.quantization_aware": True}, trained, tmp_path / "int8")
    assert outcome.exit_code == 0, outcome.output
    exported = tmp_path / "int8" / "weights.safetensors"
    assert "conv1.input_max" in load_file(exported)
    outcome = outcome_of(settings, exported, tmp_path / "float")
    assert outcome.exit_code == 0, outcome.output


# A change to the file's tensors, and what the message must say.
WRONG = {
    "missing": (lambda tensors: tensors.pop("bn2.weight"), "bn2.weight is missing"),
    "no last layer": (
        lambda tensors: [tensors.pop("fc.weight"), tensors.pop("fc.bias")],
        "fc.weight is missing; fc.bias",
    ),
    "other shape": (
        lambda tensors: tensors.update({"conv1.weight": torch.zeros(16, 3, 3, 3)}),
        "conv1.weight is [16, 3, 3, 3] instead of [16, 1, 3, 3]",
    ),
    "other type": (
        lambda tensors: tensors.update({"bn1.bias": torch.zeros(16, dtype=torch.int32)}),
        "bn1.bias is I32 instead of F32",
    ),
    "too many": (lambda tensors: tensors.update({"conv4.weight": torch.zeros(2)}), "conv4.weight is not in the model"),
    "another model": (lambda tensors: [tensors.clear(), tensors.update({"x": torch.zeros(2)})], "more"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_file_of_another_model_is_refused_with_the_names_of_what_differs(settings, trained, tmp_path, wrong):
    tensors = load_file(trained)
    change, message = WRONG[wrong]
    change(tensors)
    save_file(tensors, tmp_path / "wrong.safetensors")
    outcome = outcome_of(settings, tmp_path / "wrong.safetensors", tmp_path / "run")
    assert outcome.exit_code == 2, outcome.output
    assert "model.pretrained" in outcome.stderr and message in outcome.stderr


# How the file is damaged, and what the message must say.
DAMAGED = {
    "nothing": (lambda content: b"", "too short"),
    "half": (lambda content: content[: len(content) // 2], "damaged"),
    "header": (lambda content: content[:100], "longer than the file"),
    "no header": (lambda content: bytes(8) + content[8:], "damaged"),
    "text": (lambda content: b"<html>not found</html>" * 50, "is a web page"),
    "no objects": (lambda content: b"\x06" + bytes(7) + b'{"a":1}'[:6] + b"}", "damaged"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_file_is_an_io_error(settings, trained, tmp_path, damage):
    change, message = DAMAGED[damage]
    (tmp_path / "damaged.safetensors").write_bytes(change(trained.read_bytes()))
    outcome = outcome_of(settings, tmp_path / "damaged.safetensors", tmp_path / "run")
    assert outcome.exit_code == 4, outcome.output
    assert "damaged.safetensors" in outcome.stderr and message in outcome.stderr


def converted(outcome):
    """The file that the command in the message writes, run exactly as printed."""
    [command] = re.findall(r"python3 -c .*(?=, and name the file)", outcome.stderr)
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run(command, shell=True, check=True, timeout=100, env=os.environ | {"PATH": path})
    return Path(shlex.split(command)[-1])


@pytest.mark.parametrize("format", ["zip", "pickle"])
def test_a_checkpoint_of_pytorch_is_refused_with_the_line_that_converts_it(settings, trained, tmp_path, format):
    """As users save it: a wrapped network, half of the file other content, one tensor under two names."""
    wrapped = {"module." + name: tensor for name, tensor in load_file(trained).items()}
    shared = wrapped | {"module.bn3.bias": wrapped["module.bn3.bias"].t()}
    torch.save(
        {"state_dict": shared, "epoch": 3, "optimizer": {"state": {0: torch.ones(3)}}},
        tmp_path / "it's m.pt",
        _use_new_zipfile_serialization=format == "zip",
    )
    outcome = outcome_of(settings, tmp_path / "it's m.pt", tmp_path / "refused")
    assert outcome.exit_code == 2 and "of PyTorch" in outcome.stderr, outcome.output
    path = converted(outcome)
    assert path == tmp_path / "it's m.safetensors"
    assert load_file(path).keys() == shared.keys()
    if format == "pickle":
        return
    outcome = outcome_of(settings, path, tmp_path / "run")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stderr.count('the prefix "module." of all its names is left out') == 1
    assert torch.allclose(
        weights_of(tmp_path / "run")["conv2.weight"], wrapped["module.conv2.weight"], rtol=0, atol=1e-25
    )


def test_weights_beside_others_are_refused_with_the_line_that_keeps_them_alone(settings, trained, tmp_path):
    tensors = load_file(trained)
    save_file(
        {prefix + name: tensor.clone() for name, tensor in tensors.items() for prefix in ("model.", "model_ema.")},
        tmp_path / "both.safetensors",
    )
    outcome = outcome_of(settings, tmp_path / "both.safetensors", tmp_path / "refused")
    assert outcome.exit_code == 2, outcome.output
    assert load_file(converted(outcome)).keys() == tensors.keys()


def test_a_file_that_is_not_there_is_an_io_error_and_not_missed_once_the_run_has_a_checkpoint(
    settings, trained, tmp_path
):
    path = tmp_path / "weights.safetensors"
    outcome = outcome_of(settings, path, tmp_path / "never")
    assert outcome.exit_code == 4 and str(path) in outcome.stderr, outcome.output
    path.write_bytes(trained.read_bytes())
    train(tmp_path / "whole", 1, settings | {"model.pretrained": str(path), "training.max_steps": 4})
    train(tmp_path / "parts", 2, settings | {"model.pretrained": str(path), "training.max_steps": 2})
    path.unlink()
    train(tmp_path / "parts", 3, settings | {"model.pretrained": str(path), "training.max_steps": 4})
    assert result_of(tmp_path / "parts")["state_hash"] == result_of(tmp_path / "whole")["state_hash"]


@pytest.mark.parametrize(
    "name, patch, suggestion",
    [("vit_tiny", 5, "set it to 4"), ("vit_tiny", 32, "set it to 28"), ("convnext_tiny", 4, "set it to 3 or less")],
)
def test_patches_that_do_not_fit_the_image_are_refused(settings, tmp_path, name, patch, suggestion):
    outcome = run(train_command(tmp_path / "run", 2, settings | {"model.name": name, "model.patch_size": patch}))
    assert outcome.exit_code == 2, outcome.output
    assert f"model.patch_size = {patch}" in outcome.stderr and suggestion in outcome.stderr
