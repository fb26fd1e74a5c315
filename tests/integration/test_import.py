"""`lockstep import` prints a configuration with the same meaning as the hyper-parameters in a JSON file."""

import json
import re

import pytest

from tests.support.lockstep_program import lockstep

FAST = {
    "learning_rate": 0.001,
    "batch_size": 64,
    "epochs": 30,
    "warmup_ratio": 0.05,
    "label_smoothing": 0.0,
    "model_ema": False,
}
BALANCED = {
    "learning_rate": 0.0005,
    "batch_size": 32,
    "epochs": 100,
    "warmup_ratio": 0.1,
    "label_smoothing": 0.1,
    "model_ema": True,
    "model_ema_decay": 0.9999,
}
ACCURATE = {
    "learning_rate": 0.0003,
    "batch_size": 16,
    "epochs": 200,
    "warmup_ratio": 0.15,
    "label_smoothing": 0.15,
    "model_ema": True,
    "use_swa": True,
    "cutmix_prob": 0.3,
    "mixup_alpha": 0.2,
}
NEW = {
    "warmup_ratio": 0.1,
    "warmup_method": "linear",
    "label_smoothing": 0.1,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-8,
    "momentum": 0.9,
    "nesterov": True,
    "min_lr": 1e-6,
    "cooldown_epochs": 10,
    "model_ema": True,
    "model_ema_decay": 0.9999,
    "gradient_accumulation_steps": 1,
    "cutmix_prob": 0.0,
    "mixup_alpha": 0.0,
    "loss_scale": "dynamic",
}
NESTED = {
    "hyperparameters": {
        "optimizer_advanced": {
            "adam": {"beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
            "sgd": {"momentum": 0.9, "nesterov": True},
        },
        "learning_rate_advanced": {"warmup_ratio": 0.1, "min_lr": 1e-6, "warmup_method": "linear"},
    }
}


def write(tmp_path, content):
    path = tmp_path / "hyperparameters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def leaves(value):
    """The keys that hold no objects, without the groups they are in."""
    for key, inner in value.items():
        if isinstance(inner, dict):
            yield from leaves(inner)
        else:
            yield key, inner


@pytest.mark.parametrize(
    "content", [FAST, BALANCED, ACCURATE, NESTED, NEW], ids=["fast", "balanced", "accurate", "nested", "new"]
)
def test_the_configurations_of_the_plan_mean_the_same_in_toml(content, tmp_path):
    result = lockstep("import", write(tmp_path, content))
    assert (result.returncode, result.stderr) == (0, "")
    path = tmp_path / "imported.toml"
    path.write_text(result.stdout)
    answer = json.loads(lockstep("validate", path).stdout)
    assert answer["set"] == len(list(leaves(content)))
    for key, value in leaves(content):
        explained = json.loads(lockstep("explain", key, path).stdout)
        assert explained["value"] == value and explained["origin"].startswith(str(path))


def test_every_default_is_a_comment_and_every_given_value_says_what_it_was_called(tmp_path):
    text = lockstep("import", write(tmp_path, {"lr": 0.01, "hyperparameters": {"num_epochs": 3}})).stdout
    assert "\nlearning_rate = 0.01  # from lr\n" in text
    assert "\nepochs = 3  # from hyperparameters.num_epochs\n" in text
    assert "\n# batch_size = 32\n" in text
    values = json.loads(lockstep("validate", write(tmp_path, text)).stdout)["values"]
    assert len(re.findall(r"^# \w+ = |^\w+ = .*# from ", text, re.MULTILINE)) == values


def test_renamed_keys_are_told_on_standard_error(tmp_path):
    result = lockstep("import", write(tmp_path, {"lr": 0.01, "epochs": 3, "optimizer": "AdamW"}))
    assert result.returncode == 0
    assert result.stderr.splitlines() == [
        "lockstep: lr is optimizer.learning_rate here",
        "lockstep: optimizer is optimizer.name here",
        'lockstep: optimizer = "AdamW" is optimizer.name = "adamw" here',
    ]


def test_keys_without_counterpart_are_all_named_and_nothing_is_printed(tmp_path):
    path = write(tmp_path, {"epochs": 3, "xyzzy": 1, "hyperparameters": {"plugh": 2}})
    result = lockstep("import", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert [line.split(": ")[:2] for line in result.stderr.splitlines()] == [
        [str(path), "hyperparameters.plugh"],
        [str(path), "xyzzy"],
    ]
    assert result.stderr.count("has no counterpart") == 2


def test_keys_without_counterpart_are_skipped_and_told_when_asked(tmp_path):
    result = lockstep("import", write(tmp_path, {"epochs": 3, "xyzzy": 1}), "--skip-unknown")
    assert result.returncode == 0
    assert result.stderr == "lockstep: xyzzy has no counterpart and was skipped\n"
    assert "\n# Skipped: xyzzy = 1\n" in result.stdout and "\nepochs = 3  # from epochs\n" in result.stdout


@pytest.mark.parametrize("key, value", [("warmup_steps", 1000), ("warmup_ratio", 0.1), ("warmup_epochs", 5)])
def test_each_warm_up_of_the_plan_is_read_alone(key, value, tmp_path):
    result = lockstep("import", write(tmp_path, {**NEW, "warmup_ratio": 0.0, key: value}))
    assert (result.returncode, result.stderr) == (0, "")
    assert f"\n{key} = {json.dumps(value)}  # from {key}\n" in result.stdout


def test_the_three_warm_ups_of_the_plan_together_are_refused(tmp_path):
    path = write(tmp_path, {**NEW, "warmup_steps": 1000, "warmup_epochs": 5})
    result = lockstep("import", path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"{path}: warmup_steps: the warm-up is given more than once (given are schedule.warmup_steps and "
        "schedule.warmup_ratio and schedule.warmup_epochs) keep one and set the others to 0\n"
    )


@pytest.mark.parametrize(
    "content, message",
    [
        ({"epochs": 0}, "epochs: training.epochs = 0 is out of range"),
        ({"warmup_steps": 5, "warmup_epochs": 1}, "the warm-up is given more than once"),
        ("{", "not valid JSON"),
        ("[]", "not an object of JSON"),
        ("epochs = 3", "not valid JSON"),
    ],
)
def test_what_is_wrong_is_refused(content, message, tmp_path):
    path = write(tmp_path, content)
    result = lockstep("import", path, "--skip-unknown")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"{path}: ") and message in result.stderr


def test_a_missing_file_is_refused(tmp_path):
    result = lockstep("import", tmp_path / "missing.json")
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such file or directory" in result.stderr
