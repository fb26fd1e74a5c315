"""`lockstep schema` accepts and refuses the same values as `lockstep validate`, except for the rules between values."""

import json
import re
import tomllib

import jsonschema
import pytest

from tests.support.lockstep_program import ROOT, lockstep

SCHEMA = json.loads(lockstep("schema").stdout)
ROWS = [
    (section, key)
    for section, of_section in SCHEMA["properties"].items()
    if "properties" in of_section
    for key in of_section["properties"]
]
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)
REFUSED_ALONE = re.compile(
    r" is out of range \(| has the wrong type \(| is not one of the choices \(| is not finite \(|"
    r" is not a plain name \(| has control characters \(| is neither a number above 0 nor "
)


def explained(section, key):
    return json.loads(lockstep("explain", f"{section}.{key}").stdout)


def schema_of(section, key):
    return SCHEMA["properties"][section]["properties"][key]


def toml(value):
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def at_and_around(limits):
    """Values at the limits of a number in a JSON Schema, and just outside them."""
    low, high = limits.get("minimum", limits.get("exclusiveMinimum")), limits["maximum"]
    if limits["type"] == "integer":
        return [low - 1, low, high, high + 1]
    return [low - 1e-3, float(low), low + 1e-9, float(high), high * 1.001]


def candidates(schema):
    """Values of all types, including those at the limits of the schema."""
    schemas = schema.get("anyOf", [schema])
    values = ["auto", "", "x", "a b", "../a", "a\u0001b", True, False, [], ["x"], [True], {}, 1.5, 2]
    for one in schemas:
        values += one.get("enum", [])
        if "maximum" in one:
            values += at_and_around(one)
        if one["type"] == "array":
            values += [[value] for value in at_and_around(one["items"])]
    return values


def refused_alone(section, key, value, path):
    """Whether `lockstep validate` refuses the value itself, not its combination with other values."""
    path.write_text(f"[{section}]\n{key} = {toml(value)}\n")
    result = lockstep("validate", path)
    assert result.returncode in (0, 2), result.stderr
    return bool(REFUSED_ALONE.search(result.stderr))


def test_the_schema_is_a_draft_7_schema():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert ROWS


@pytest.mark.parametrize("section, key", ROWS)
def test_schema_and_validation_agree_on_every_parameter(section, key, tmp_path):
    for value in candidates(schema_of(section, key)):
        accepted = VALIDATOR.is_valid({section: {key: value}})
        refused = refused_alone(section, key, value, tmp_path / "one.toml")
        assert accepted != refused, f"{section}.{key} = {value!r}: schema {accepted}, validation {not refused}"


@pytest.mark.parametrize(
    "value",
    [
        "dynamic",
        "Dynamic",
        "fast",
        1024,
        0.5,
        0,
        -1,
        "1024",
        "0.5",
        "5e-1",
        "1.E+3",
        ".5",
        "1.",
        "0010",
        "0",
        "0.0",
        "-1",
        "+1",
        "1e",
        "1e+",
        ".",
        "1.5.2",
        " 1",
        "1 ",
        "0x10",
        "inf",
        "nan",
        "dynamic1",
    ],
)
def test_schema_and_validation_agree_on_a_word_or_number(value, tmp_path):
    accepted = VALIDATOR.is_valid({"precision": {"loss_scale": value}})
    assert accepted != refused_alone("precision", "loss_scale", value, tmp_path / "one.toml")


@pytest.mark.parametrize("section, key", ROWS)
def test_a_description_has_the_purpose_the_advice_and_the_default(section, key):
    answer, schema = explained(section, key), schema_of(section, key)
    for field in ("what", "raise", "lower"):
        assert answer[field] in schema["description"]
    assert schema["default"] == answer["default"]
    assert VALIDATOR.is_valid({section: {key: schema["default"]}})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "config_version = 1\n",
        "[training]\n",
        "template = 'balanced'\n[schedule]\nwarmup_ratio = 0\nwarmup_steps = 9\n",
        "[training]\nepochs = 3\n[optimizer]\nname = 'adamw'\nlearning_rate = 1\n",
        "training.micro_batch_size = 'auto'\ndata.mean = [0.5]\ndata.std = [0.25]\n",
    ],
)
def test_valid_documents_are_accepted(text, tmp_path):
    path = tmp_path / "valid.toml"
    path.write_text(text)
    assert lockstep("validate", path).returncode == 0
    jsonschema.validate(tomllib.loads(text), SCHEMA, cls=jsonschema.Draft7Validator)


def test_the_configurations_of_the_repository_are_accepted():
    for path in ROOT.glob("configs/**/*.toml"):
        jsonschema.validate(tomllib.loads(path.read_text()), SCHEMA, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize(
    "text, place",
    [
        ("config_version = 3\n", "config_version"),
        ("template = 'quick'\n", "template"),
        ("[training]\nbatchsize = 3\n", "training"),
        ("[trainig]\nepochs = 3\n", ""),
        ("epochs = 3\n", ""),
        ("training = 3\n", "training"),
        ("[[training]]\n", "training"),
        ("[training]\nepochs = '3'\n", "training.epochs"),
        ("[optimizer]\nlearning_rate = 0\n", "optimizer.learning_rate"),
        ("[optimizer]\nname = 'adamm'\n", "optimizer.name"),
        ("[data]\nmean = []\n", "data.mean"),
        ("[run]\nname = 'a/b'\n", "run.name"),
    ],
)
def test_invalid_documents_are_refused_at_their_place(text, place):
    errors = list(VALIDATOR.iter_errors(tomllib.loads(text)))
    assert [".".join(map(str, error.absolute_path)) for error in errors] == [place]
