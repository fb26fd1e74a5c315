"""A reader of external bytes throws nothing but lockstep::Error, whatever the bytes. `make fuzz` searches further."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.fuzz import fuzzing, seeds

REPLAY = Path(os.environ["LOCKSTEP_BIN"]) / "fuzz_replay"
MUTATIONS = 1000  # of each target; a few seconds in total


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    seeds.write(folder)
    return folder


def test_every_reader_survives_its_seeds_and_kept_crashes_and_changed_ones(made, tmp_path):
    with fuzzing.memory() as environment:
        result = subprocess.run(
            [REPLAY, str(MUTATIONS), made, fuzzing.CRASHES],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=600,
            env=os.environ | environment,
        )
    assert result.returncode == 0, f"{result.stdout}{result.stderr[-4000:]}(fuzz_replay TARGET FILE repeats it)"


def test_every_target_has_seeds_and_every_kept_crash_a_target(made):
    listed = subprocess.run([REPLAY, "nothing", "nothing"], capture_output=True, text=True).stderr
    targets = set(listed.split("there are ")[1].split())
    assert targets == {path.name for path in made.iterdir()}
    assert {path.name for path in fuzzing.CRASHES.iterdir()} <= targets
