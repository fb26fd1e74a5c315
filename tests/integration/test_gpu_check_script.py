"""Runs the cheap parts of tests/gpu/check.sh on a simulated GPU, so that the script keeps working."""

import json
import os
import shlex
import subprocess

import pytest

from tests.support import ghost
from tests.support.launching import REPOSITORY, WORKER
from tests.support.skipping import cannot_run

CHECK = REPOSITORY / "tests" / "gpu" / "check.sh"
PARTS = [
    "environment",
    "kernels",
    "contract",
    "start",
    "features",
    "memory",
    "ranks",
    "resume",
    "speed",
    "peer",
    "sanitizer",
]


@pytest.fixture(scope="module")
def prefix():
    if not ghost.IS_BUILT:
        cannot_run(ghost.WHY_NOT)
    return shlex.join(ghost.on_ghost(WORKER, gpus=1)[:-1])


def check(*parts, environment=None):
    return subprocess.run(
        [CHECK, *parts], capture_output=True, text=True, timeout=300, env=os.environ | (environment or {})
    )


def test_the_parts_are_named_and_unknown_ones_refused():
    listed = check("--list")
    assert listed.returncode == 0 and [line.split()[0] for line in listed.stdout.splitlines()] == PARTS
    assert sum(int(line.split()[1]) for line in listed.stdout.splitlines()) > 0
    refused = check("speed", "spede")
    assert refused.returncode == 2 and "there is no part spede" in refused.stderr


def test_a_machine_without_a_gpu_fails_and_says_so(tmp_path):
    outcome = check("kernels", environment={"OUT": str(tmp_path), "CUDA_VISIBLE_DEVICES": "-1"})
    assert outcome.returncode == 1
    assert outcome.stdout.startswith("FAIL kernels") and "\nFAIL all: 0 passed, 1 failed" in outcome.stdout


@pytest.mark.parametrize("part", ["environment", "kernels", "start", "ranks", "resume"])
def test_a_part_passes_on_the_ghost(prefix, tmp_path, part):
    outcome = check(part, environment={"OUT": str(tmp_path), "LOCKSTEP_GPU_PREFIX": prefix})
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert outcome.stdout.startswith(f"PASS {part} (") and "\nPASS all: 1 passed" in outcome.stdout
    for line in (tmp_path / "figures.jsonl").read_text().splitlines():
        assert json.loads(line)["part"] == part
