"""The templates hold the values in PLAN, with adamw; a file's own keys override them."""

import json
import os
import tomllib

import jsonschema
import pytest

from tests.integration.test_import import ACCURATE, BALANCED, FAST
from tests.support.lockstep_program import ROOT, lockstep

PLAN = {"fast": FAST, "balanced": BALANCED, "high_accuracy": ACCURATE}
AUGMENTED = {"crop_padding": 4, "flip_probability": 0.5}  # beside those in PLAN, since config_version 2
SECTIONS = [section for section in tomllib.loads(lockstep("template").stdout) if section != "config_version"]


def explained(*arguments):
    """Value and origin of every parameter."""
    answers = {}
    for section in SECTIONS:
        result = lockstep("explain", section, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        answers |= {line["name"]: line for line in map(json.loads, result.stdout.splitlines())}
    return {name: (answer["value"], answer["origin"]) for name, answer in answers.items()}


def values(*arguments):
    return {name: value for name, (value, _) in explained(*arguments).items()}


def write(tmp_path, text):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def refused(*arguments):
    result = lockstep(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    return result.stderr


@pytest.mark.parametrize("name", PLAN)
def test_a_template_is_the_plans_configuration_with_adamw_flips_and_crops(name, tmp_path):
    json_path = tmp_path / "plan.json"
    json_path.write_text(json.dumps({**PLAN[name], **AUGMENTED, "optimizer": "adamw"}))
    imported = write(tmp_path, lockstep("import", json_path).stdout)
    assert values("--template", name) == values(imported)
    given = {key for key, (_, origin) in explained("--template", name).items() if origin == f"template {name}"}
    assert {key.split(".")[1] for key in given - {"optimizer.name"}} == set(PLAN[name] | AUGMENTED)


@pytest.mark.parametrize("name", PLAN)
def test_a_template_is_printed_as_a_file_that_means_the_same(name, tmp_path):
    text = lockstep("template", name, "--schema", "elsewhere/s.json").stdout
    assert text.startswith("#:schema elsewhere/s.json\n# ")
    _, _, rest = (ROOT / "configs" / "templates" / f"{name}.toml").read_text().partition("\n")
    assert text == "#:schema elsewhere/s.json\n" + rest
    jsonschema.validate(tomllib.loads(text), json.loads(lockstep("schema").stdout), cls=jsonschema.Draft7Validator)
    path = write(tmp_path, text)
    answer = json.loads(lockstep("validate", path).stdout)
    assert answer["set"] == len(PLAN[name] | AUGMENTED) + 1
    assert values(path) == values("--template", name)


def test_the_templates_are_in_the_program_and_no_file_is_looked_for(tmp_path):
    assert lockstep("explain", "epochs", "--template", "fast", cwd=tmp_path).stdout.count('"value":30') == 1
    assert os.listdir(tmp_path) == []


def test_a_templates_values_lie_between_the_defaults_and_those_of_the_file_and_the_options(tmp_path):
    path = write(tmp_path, 'template = "balanced"\n[training]\nepochs = 20\n[optimizer]\nbeta1 = 0.8\n')
    answers = explained(path, "--set", "loss.label_smoothing=0.2")
    assert answers["training.epochs"] == (20, f"{path}:3:1"), "the file's own value, although it is the default"
    assert answers["optimizer.beta1"] == (0.8, f"{path}:5:1")
    assert answers["loss.label_smoothing"] == (0.2, "--set")
    assert answers["optimizer.learning_rate"] == (0.0005, "template balanced")
    assert answers["run.seed"] == (0, "default")


@pytest.mark.parametrize(
    "text, options, origin",
    [
        ('template = "fast"\n', [], "template fast"),
        ('template = "fast"\n', ["--set", "template=balanced"], "template balanced"),
        ("", ["--set", "template='balanced'"], "template balanced"),
        ("", ["--template", "fast"], "template fast"),
        ('template = "fast"\n', ["--template", "balanced"], "template balanced"),
        ("", ["--template", "fast", "--set", "template=balanced"], "template balanced"),
    ],
)
def test_a_template_is_named_in_the_file_or_by_an_option_which_wins(text, options, origin, tmp_path):
    assert explained(write(tmp_path, text), *options)["training.epochs"][1] == origin


@pytest.mark.parametrize("name", PLAN)
def test_what_is_printed_of_a_run_with_a_template_loads_to_the_same_values_without_it(name, tmp_path):
    path = write(tmp_path, f'config_version = 1\ntemplate = "{name}"\n[training]\nepochs = 40\n')
    result = lockstep("validate", path)
    assert json.loads(result.stdout)["set"] == len(PLAN[name]) + 1
    command = lockstep("train", path, "--dry-run").stdout
    assert "lockstep-worker" in command and str(path) in command


def test_a_rule_that_breaks_between_template_and_file_is_shown_in_the_file(tmp_path):
    path = write(tmp_path, 'template = "balanced"\n[schedule]\nwarmup_epochs = 5\n')
    assert refused("validate", path).startswith(f"{path}:3:1: the warm-up is given more than once")
    path = write(tmp_path, 'template = "balanced"\n[optimizer]\nlearning_rate = 1e-3\n[schedule]\nmin_lr = 1e-2\n')
    assert refused("validate", path).startswith(f"{path}:5:1: schedule.min_lr = 0.01 is above")


def test_an_unknown_template_is_refused_with_the_nearest_and_all(tmp_path):
    answer = 'unknown template "balancd" (the templates are fast, balanced, high_accuracy) did you mean "balanced"?\n'
    assert refused("template", "balancd") == "lockstep: " + answer
    assert refused("explain", "run", "--template", "balancd") == "--template balancd: " + answer
    assert refused("explain", "run", "--set", "template=balancd") == "--set template=balancd: " + answer
    path = write(tmp_path, "[run]\n")
    assert refused("train", path, "--template", "balancd") == "--template balancd: " + answer
    path = write(tmp_path, '# \ntemplate = "balancd"\n')
    assert refused("validate", path) == f"{path}:2:1: {answer}"
