"""`lockstep explain` shows, for every row of the table of parameters, what it is and what it is set to."""

import json
import os
import pty
import re
import subprocess

import pytest

from tests.support.lockstep_program import LOCKSTEP, ROOT, lockstep

TABLE = (ROOT / "configs" / "parameters.def").read_text()
ROWS = re.findall(r"^PARAMETER\((\w+), \w+, (\w+),", TABLE, re.MULTILINE)
SECTIONS = re.findall(r"^BEGIN_SECTION\(\w+, (\w+), \"(.*)\"\)", TABLE, re.MULTILINE)
FIELDS = {
    "name",
    "value",
    "origin",
    "what",
    "type",
    "range",
    "unit",
    "default",
    "raise",
    "lower",
    "search",
    "changes_result",
    "rules",
    "aliases",
    "since",
}


def explained(*arguments):
    result = lockstep("explain", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def refused(*arguments):
    result = lockstep("explain", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    return result.stderr


def on_a_terminal(columns, *arguments):
    """The program's output when standard output is a terminal of that width."""
    controller, terminal = pty.openpty()
    subprocess.run(["stty", "cols", str(columns), "-onlcr"], stdin=terminal, check=True)
    program = subprocess.Popen([LOCKSTEP, *arguments], stdin=subprocess.DEVNULL, stdout=terminal)
    os.close(terminal)
    text = b""
    try:
        while chunk := os.read(controller, 65536):
            text += chunk
    except OSError:  # the terminal is closed when the program ends
        pass
    os.close(controller)
    assert program.wait() == 0
    return text.decode()


def test_the_table_was_found():
    assert SECTIONS and len(ROWS) == len(re.findall(r"^PARAMETER\(", TABLE, re.MULTILINE)) > 0


@pytest.mark.parametrize("section", [name for name, _ in SECTIONS])
def test_a_section_lists_each_of_its_keys_on_a_line(section):
    keys = [key for row_section, key in ROWS if row_section == section]
    lines = [json.loads(line) for line in explained(section).splitlines()]
    assert [line["name"] for line in lines] == [f"{section}.{key}" for key in keys]
    head, *listed = explained(section, "--text").splitlines()
    assert head == f"[{section}]  {dict(SECTIONS)[section]}"
    assert [line.split()[0] for line in listed] == keys
    assert all(len(line) <= 80 for line in listed)


@pytest.mark.parametrize("section, key", ROWS)
def test_a_key_is_explained_in_full(section, key):
    (line,) = explained(f"{section}.{key}").splitlines()
    answer = json.loads(line)
    assert set(answer) == FIELDS
    assert answer["value"] == answer["default"] and answer["origin"] == "default"
    text = explained(f"{section}.{key}", "--text")
    assert text.startswith(f"{section}.{key} = ")
    words = " ".join(text.split())
    for field in ("what", "type", "range", "unit", "raise", "lower", "search", "since"):
        assert " ".join(answer[field].split()) in words, field
    for rule in answer["rules"]:
        assert rule in words
    for alias in answer["aliases"]:
        assert alias in words


def test_a_key_that_one_section_alone_has_needs_no_section():
    assert explained("batch_size") == explained("training.batch_size")


def test_a_key_of_several_sections_is_refused_with_all_of_them():
    message = refused("name")
    assert "run.name" in message and "model.name" in message and "write the section too" in message


@pytest.mark.parametrize(
    "name, meant",
    [
        ("lr", "did you mean optimizer.learning_rate?"),
        ("batchsize", "did you mean training.batch_size?"),
        ("training.epohcs", "did you mean training.epochs?"),
        ("optimizer.epochs", "did you mean training.epochs?"),
        ("trainig", "did you mean training?"),
        ("xyzzy", "the sections are run, "),
        ("run.xyzzy", "its keys are name, "),
        ("", "the sections are run, "),
        (".", "the sections are run, "),
    ],
)
def test_an_unknown_name_is_refused_with_what_may_be_meant(name, meant):
    message = refused(name)
    assert message.startswith("lockstep: unknown key or section") and meant in message
    assert message.count("\n") == 1


def test_value_and_origin_are_those_of_the_configuration(tmp_path):
    path = tmp_path / "run.toml"
    path.write_text("[training]\nepochs = 3\n  batch_size = 64\n")
    arguments = ["training", path, "--set", "epochs=4"]
    answers = {line["name"]: line for line in map(json.loads, explained(*arguments).splitlines())}
    assert (answers["training.epochs"]["value"], answers["training.epochs"]["origin"]) == (4, "--set")
    batch = answers["training.batch_size"]
    assert (batch["value"], batch["default"], batch["origin"]) == (64, 32, f"{path}:3:3")
    assert explained("epochs", path, "--text").startswith(f"training.epochs = 3  ({path}:2:1)\n")
    assert explained("epochs", "--set", "epochs=5", "--text").startswith("training.epochs = 5  (--set)\n")


def test_rules_with_other_parameters_are_named_at_each_of_them():
    for key in ("training.micro_batch_size", "training.batch_size"):
        assert "training.micro_batch_size divides training.batch_size." in json.loads(explained(key))["rules"]


@pytest.mark.parametrize(
    "key, value",
    [
        ("warmup_steps", "1000"),
        ("warmup_ratio", "0.1"),
        ("warmup_epochs", "5"),
        ("cooldown_epochs", "10"),
        ("label_smoothing", "0.1"),
        ("gradient_clip_norm", "1"),
        ("cutmix_prob", "0.3"),
        ("mixup_alpha", "0.2"),
    ],
)
def test_a_usual_value_that_is_not_the_default_is_in_the_advice(key, value):
    answer = json.loads(explained(key))
    assert answer["default"] == 0
    assert re.search(rf"\b{re.escape(value)}\b", " ".join([answer["what"], answer["raise"], answer["lower"]]))


def test_a_wrong_configuration_is_refused_with_all_its_problems(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("[training]\nepochs = 0\nbatchsize = 1\n")
    assert refused("epochs", path) == lockstep("validate", path).stderr


@pytest.mark.parametrize("columns", [60, 80, 132])
def test_a_terminal_gets_text_that_fits_it_and_json_when_asked(columns):
    text = on_a_terminal(columns, "explain", "training.batch_size")
    assert text.startswith("training.batch_size = 32  (default)\n")
    lengths = [len(line) for line in text.splitlines()]
    assert max(lengths) <= columns and max(lengths) > columns - 20
    assert max(map(len, on_a_terminal(columns, "explain", "training").splitlines())) <= columns
    assert json.loads(on_a_terminal(columns, "explain", "training.batch_size", "--json"))["value"] == 32


def test_the_forms_exclude_each_other():
    assert lockstep("explain", "epochs", "--json", "--text").returncode == 1


def test_help_has_examples_that_work():
    help_text = lockstep("explain", "--help").stdout
    examples = re.findall(r"^  lockstep (explain .*)$", help_text, re.MULTILINE)
    assert len(examples) >= 3
    for example in examples:
        arguments = [word for word in example.split() if not word.startswith("configs/")]
        assert lockstep(*arguments).returncode == 0, example
