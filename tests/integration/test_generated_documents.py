"""The documents generated from the table of parameters are those in the repository, and they are usable."""

import json
import tomllib

import jsonschema
import pytest

from tests.support.lockstep_program import ROOT, lockstep

GENERATED = {"docs/parameters.md": ["docs", "parameters"], "configs/parameters.schema.json": ["schema"]}


@pytest.mark.parametrize("path, command", GENERATED.items())
def test_a_generated_file_is_current(path, command):
    written = lockstep(*command)
    assert (written.returncode, written.stderr) == (0, "")
    assert (ROOT / path).read_text() == written.stdout, f"{path} is not current: run `make docs` and commit it"


def test_the_template_is_valid_and_sets_every_value(tmp_path):
    path = tmp_path / "template.toml"
    path.write_text(lockstep("template").stdout)
    answer = json.loads(lockstep("validate", path).stdout)
    assert answer["set"] == answer["values"] > 0


def test_the_template_names_its_schema_and_keeps_to_it():
    text = lockstep("template", "--schema", "elsewhere/s.json").stdout
    assert text.startswith("#:schema elsewhere/s.json\n")
    assert lockstep("template").stdout.startswith("#:schema ./parameters.schema.json\n")
    schema = json.loads((ROOT / "configs" / "parameters.schema.json").read_text())
    jsonschema.validate(tomllib.loads(text), schema, cls=jsonschema.Draft7Validator)


def test_only_known_documents_are_written():
    result = lockstep("docs", "everything")
    assert (result.returncode, result.stdout) == (1, "")
    assert "parameters" in result.stderr
