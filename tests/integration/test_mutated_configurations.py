"""Whatever a file contains, `lockstep validate` accepts or refuses it within three seconds and never crashes."""

import hashlib

import pytest

from tests.support.lockstep_program import ROOT, lockstep

SECONDS = 3
MUTANTS = 400
VALID = """\
# A valid configuration in all the ways of writing one.
template = "fast"
training.epochs = 3
[run]
name = "mutant"  # a comment
seed = 7
[data]
path = '/usr/share/datasets/fashion-mnist'
mean = [0.2860]
std = [
  0.3530,
]
[model]
name = "mlp"
hidden_sizes = [64, 0x20]
[optimizer]
name = "sgd"
learning_rate = 5e-2
nesterov = false
[schedule]
warmup_ratio = 0.1
"""
SCRAPS = [
    "\n",
    "=",
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    ".",
    ",",
    '"',
    "'",
    '"""',
    "'''",
    "#",
    "\\",
    "\\u0000",
    "\0",
    "\t",
    "nan",
    "-inf",
    "1e999",
    "-0.0",
    "99999999999999999999",
    "0x",
    "1979-05-27T07:32:00Z",
    "true",
    "[training]\n",
    "batch_size",
    "a.b.c",
    "\x7f",
    "\u00fc",
    "\U0001f3b2",
    "9" * 400,
    "[" * 300,
    "x" * 5000,
    "k=1\n" * 3000,
]


def choices_of(number):
    """A function draw(bound) that returns numbers below `bound`, which depend on `number` alone."""
    drawn = 0

    def draw(bound):
        nonlocal drawn
        drawn += 1
        digest = hashlib.blake2b(f"{number}:{drawn}".encode(), digest_size=8).digest()
        return int.from_bytes(digest, "little") % bound

    return draw


def mutated(text, draw):
    """`text` with one to four changes to its bytes, words or lines."""
    data = text.encode()
    for _ in range(1 + draw(4)):
        at, lines, kind = draw(len(data) + 1), data.split(b"\n"), draw(7)
        line = draw(len(lines))
        if kind == 0:
            data = data[:at] + bytes([draw(256)]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[at + 1 + draw(20) :]
        elif kind == 2:
            data = data[:at] + SCRAPS[draw(len(SCRAPS))].encode() + data[at:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            data = b"\n".join(lines[:line] + lines[line + 1 :])
        elif kind == 5:
            data = b"\n".join([*lines[:line], lines[draw(len(lines))], *lines[line:]])
        else:
            key = lines[line].partition(b"=")[0]
            data = b"\n".join([*lines[:line], key + b"= " + SCRAPS[draw(len(SCRAPS))].encode(), *lines[line + 1 :]])
    return data


def valid_texts():
    return [VALID] + [path.read_text() for path in sorted(ROOT.glob("configs/**/*.toml"))]


def validate(path):
    result = lockstep("validate", path, timeout=SECONDS)
    assert result.returncode in (0, 2), f"{result.returncode}: {result.stderr}"
    assert (result.stdout == "") == (result.returncode == 2)
    for line in result.stderr.splitlines():
        assert line.startswith(f"{path}:") or line.endswith(" more problems"), line
    return result.returncode


@pytest.mark.parametrize("text", valid_texts(), ids=lambda text: text.splitlines()[0])
def test_a_mutated_configuration_is_accepted_or_refused(text, tmp_path):
    path = tmp_path / "mutant.toml"
    path.write_text(text)
    assert validate(path) == 0
    codes = set()
    for number in range(MUTANTS):
        path.write_bytes(mutated(text, choices_of(number)))
        codes.add(validate(path))
    assert codes == {0, 2}, "mutants that all end alike test little"


@pytest.mark.parametrize(
    "content",
    [
        "a." * 131000 + "b = 1",
        "[" + "a." * 131000 + "b]",
        "a = " + "[" * 262000,
        "a = " + "{a = " * 52000,
        "[run]\n" + "".join(f"k{i}=1\n" for i in range(29000)),
        "".join(f"[a.b{i}]\n" for i in range(25000)),
        "[[a]]\n" * 43000,
        "[model]\nhidden_sizes = [" + "0," * 131000 + "]",
        "[run]\nname = '" + "x" * 262000 + "'",
        "x" * 300000,
        "\0" * 262000,
    ],
    ids=lambda content: content[:20],
)
def test_a_file_as_deep_or_wide_as_files_may_be_is_refused(content, tmp_path):
    path = tmp_path / "large.toml"
    path.write_text(content)
    assert validate(path) == 2
