"""`--without` switches features off, whatever the file, the template and --set say."""

import json
import re

import pytest

from tests.support.lockstep_program import ROOT, lockstep

FEATURES = re.findall(r"^- `(\w+)`: (.*)\.?$", (ROOT / "docs" / "parameters.md").read_text(), re.MULTILINE)
VALUES = {name: dict(re.findall(r"`(\w+\.\w+) = ([^`]*)`", values)) for name, values in FEATURES}
ON = """\
[model]
name = "resnet18"
dropout = 0.1
drop_path = 0.1
zero_init_residual = true
[training]
gradient_clip_norm = 1
early_stopping = true
[optimizer]
name = "sgd"
layer_decay = 0.9
[schedule]
warmup_ratio = 0.1
[loss]
label_smoothing = 0.1
class_weights = "explicit"
class_weight_values = [1, 2]
[averaging]
model_ema = true
use_swa = true
[augmentation]
crop_padding = 2
flip_probability = 0.5
brightness = 0.1
contrast = 0.1
saturation = 0.1
hue = 0.1
rand_augment = true
random_erasing = 0.1
mixup_alpha = 0.2
cutmix_prob = 0.5
repeated_augmentation = 2
[precision]
mixed_precision = "fp16"
loss_scale = 1024
[distillation]
teacher = "runs/teacher"
"""


def explained(name, *arguments):
    result = lockstep("explain", name, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)


def refused(*arguments):
    result = lockstep(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    return result.stderr


@pytest.fixture
def everything_on(tmp_path):
    path = tmp_path / "on.toml"
    path.write_text(ON)
    assert lockstep("validate", path).returncode == 0
    return path


def test_the_features_were_found():
    assert len(VALUES) == 27 and all(VALUES.values())


@pytest.mark.parametrize("feature", VALUES)
def test_a_feature_is_off_and_nothing_else_is(feature, everything_on):
    sections = dict.fromkeys(name.split(".")[0] for name in VALUES[feature])
    for section in sections:
        lines = [
            lockstep("explain", section, everything_on, *options).stdout.splitlines()
            for options in ([], ["--without", feature])
        ]
        before, after = ({line["name"]: line for line in map(json.loads, part)} for part in lines)
        assert {name for name, line in after.items() if line["origin"] == f"--without {feature}"} == {
            name for name in VALUES[feature] if name.startswith(section + ".")
        }
        for name, line in after.items():
            off = VALUES[feature].get(name)
            assert line["value"] == (before[name]["value"] if off is None else json.loads(off)), name


def test_features_come_as_lists_with_commas_or_one_by_one_and_win_over_what_is_set(everything_on):
    options = [
        "--without",
        "ema,mixup",
        "--without",
        "flip",
        "--set",
        "averaging.model_ema=true",
        "--template",
        "balanced",
    ]
    for name, off in [("model_ema", False), ("mixup_alpha", 0.0), ("flip_probability", 0.0), ("cutmix_prob", 0.5)]:
        assert explained(name, everything_on, *options)["value"] == off


def test_train_hands_the_worker_what_is_off(everything_on):
    command = lockstep(
        "train", everything_on, "--set", "training.epochs=3", "--without", "ema,weight_decay", "--dry-run"
    ).stdout
    assert command.endswith(
        "--set training.epochs=3 --set averaging.model_ema=false --set optimizer.weight_decay=0.0\n"
    )


def test_an_unknown_feature_is_refused_with_the_nearest_and_all(everything_on):
    for command in ("validate", "train"):
        lines = refused(command, everything_on, "--without", "emma,mixup", "--without", "xyzzy").splitlines()
        assert [line.partition(" (the features are ")[0] for line in lines] == [
            '--without emma,mixup: unknown feature "emma"',
            '--without xyzzy: unknown feature "xyzzy"',
        ]
        assert lines[0].endswith("did you mean ema?") and lines[1].endswith("choose some of them")
        assert all(f" {name}" in line for line in lines for name in VALUES)
    assert 'unknown feature ""' in refused("explain", "run", "--without", "ema,,mixup")


def test_a_rule_that_then_breaks_is_said_in_the_rules_words(everything_on):
    text = refused("validate", everything_on, "--set", "training.early_stopping_metric=ema_loss", "--without", "ema")
    assert text == (
        '--set training.early_stopping_metric=ema_loss: training.early_stopping_metric = "ema_loss" is never '
        'measured (averaging.model_ema is off) turn it on, or watch "loss"\n'
    )


@pytest.mark.parametrize("command", ["train", "validate", "explain"])
def test_help_names_the_features_and_shows_an_example(command):
    text = lockstep(command, "--help").stdout
    assert all(name in text for name in VALUES)
    assert re.search(rf"^  lockstep {command} .*--without \w+", text, re.MULTILINE)
