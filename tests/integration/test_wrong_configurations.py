"""`lockstep validate` refuses wrong configurations, prints all problems to standard error with place and remedy, and
exits with 2."""

import json
import tomllib

import pytest

from tests.support.lockstep_program import ROOT, lockstep

HERE = ROOT / "tests" / "integration"
CASES = tomllib.loads((HERE / "wrong_configurations.toml").read_text())["wrong"]


def refused(path, *settings):
    """The lines on standard error for a configuration that must be refused."""
    options = [word for setting in settings for word in ("--set", setting)]
    result = lockstep("validate", path, *options)
    assert result.returncode == 2, result.stderr
    assert result.stdout == ""
    assert result.stderr.endswith("\n")
    return result.stderr.splitlines()


def identity(case):
    return case.get("toml", "").strip().replace("\n", " ")[:50] + " ".join(case.get("set", []))


def test_the_corpus_has_160_cases_and_no_two_alike():
    assert len(CASES) >= 160
    assert len({json.dumps([case.get("toml"), case.get("set")]) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=identity)
def test_a_wrong_configuration_is_refused_with_all_its_problems(case, tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text(case.get("toml", ""))
    lines = refused(path, *case.get("set", []))
    assert len(lines) == len(case["problems"]), lines
    for line, (place, key, remedy) in zip(lines, case["problems"], strict=True):
        start = f"{place}: " if place.startswith("--set") else f"{path}:{place}: "
        assert line.startswith(start), line
        message = line.removeprefix(start)
        problem, _, after = message.partition(" (")
        assert key in message, line
        assert problem and remedy in after.split(")", 1)[-1], line


def test_a_missing_file_is_refused(tmp_path):
    path = tmp_path / "missing.toml"
    assert refused(path) == [
        f"{path}: cannot read the configuration (No such file or directory) check the path and its permissions"
    ]


def test_a_directory_is_refused(tmp_path):
    assert refused(tmp_path) == [
        f"{tmp_path}: cannot read the configuration (Is a directory) check the path and its permissions"
    ]


def test_an_endless_file_is_refused():
    assert refused("/dev/zero") == ["/dev/zero: too large for a configuration (more than 256 KiB) check the path"]


@pytest.mark.parametrize(
    "content", [b'[run]\nname = "\xff"\n', b"\xff\xfe[\0r\0u\0n\0]\0", b"# \xc3\n", b"\xed\xa0\x80"]
)
def test_what_is_not_utf8_is_refused_at_its_line(content, tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes(content)
    (line,) = refused(path)
    assert line.startswith(f"{path}:{2 if content.startswith(b'[') else 1}:") and "not valid TOML" in line


@pytest.mark.parametrize("content", ["", "\n\n", "# only a comment", "\ufeff", "[run]\r\n[data]\r\n"])
def test_an_empty_file_is_valid(content, tmp_path):
    path = tmp_path / "empty.toml"
    path.write_text(content, newline="")
    result = lockstep("validate", path)
    assert (result.returncode, result.stderr) == (0, "")
    answer = json.loads(result.stdout)
    assert answer["valid"] is True and answer["set"] == 0 and answer["values"] > 0


def test_the_same_problems_stop_training_before_anything_is_started(tmp_path):
    path = tmp_path / "wrong.toml"
    path.write_text("[training]\nepohcs = 3\nbatch_size = 0\n")
    result = lockstep("train", path, cwd=tmp_path)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines() == refused(path)
    assert list(tmp_path.iterdir()) == [path], "no run folder was made"
