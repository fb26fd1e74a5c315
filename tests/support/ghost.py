"""Programs on simulated GPUs (tests/support/ghost_gpu): what goes in front of a command, and what the ghost counted."""

import json
import os
import sys
from pathlib import Path

import pytest

from tests.support.launching import PROGRAMS
from tests.support.skipping import cannot_run

FOLDER = PROGRAMS.parent / "ghost"
LIBRARIES = [
    "libghost_gpu.so",
    "libcudart.so.13",
    "libcublas.so.13",
    "libcublasLt.so.13",
    "libcudnn.so.9",
    "libnccl.so.2",
    "libcuda.so.1",
]
RACE = 97  # the exit code after a race
IS_BUILT = (FOLDER / LIBRARIES[-1]).is_file()
WHY_NOT = "this build has no ghost of a GPU (no CUDA toolkit with NCCL, no cuDNN header, or LOCKSTEP_CUDA=OFF)"


@pytest.fixture(autouse=True)
def a_ghost_is_built():
    """A fixture for every test of a file that imports it: skips the test if no ghost is built, which fails in CI."""
    if not IS_BUILT:
        cannot_run(WHY_NOT)


def ghost_environment(
    gpus=8, memory_bytes=None, fail=None, fail_rank=None, driver=None, plan_bytes=None, counts=None, seed=None
):
    """The environment for a program and all that it starts. `fail`: "FUNCTION:N:ERROR": in each process the N-th call
    of that function of the runtime, and every call after it, returns this error number; `fail_rank`: only on that rank.
    `driver`: "missing" or "old". `plan_bytes`: the workspace that cuDNN's first plan wants; its second plan wants 1
    MiB. `counts`: see counts_of(). `seed`: of the random delays."""
    settings = {
        "GHOST_GPUS": gpus,
        "GHOST_BYTES": memory_bytes,
        "GHOST_FAIL": fail,
        "GHOST_FAIL_RANK": fail_rank,
        "GHOST_DRIVER": driver,
        "GHOST_PLAN_BYTES": plan_bytes,
        "GHOST_COUNTS": counts,
        "GHOST_SEED": seed,
    }
    libraries = [name for name in LIBRARIES if driver != "missing" or name != "libcuda.so.1"]
    return {
        "LD_PRELOAD": " ".join(str(FOLDER / name) for name in libraries),
        "LD_LIBRARY_PATH": "" if driver == "missing" else str(FOLDER),  # where the driver's library would be found
        **{name: str(value) for name, value in settings.items() if value is not None},
    }


def on_ghost(program, **settings):
    """The words that start this program on a ghost, and nothing else: mpirun goes in front of them."""
    return ["env", *(f"{name}={value}" for name, value in ghost_environment(**settings).items()), str(program)]


def counts_of(prefix):
    """What the processes of one start with counts=prefix did, one entry for each process that used the GPU: {"calls":
    {name: {"times", "bytes"}}, "kernels": ..., "steps": [the same, from one update of the weights to the next]}."""
    all_counts = [
        json.loads(path.read_text()) for path in sorted(Path(prefix).parent.glob(Path(prefix).name + ".*.json"))
    ]
    return [counts for counts in all_counts if counts["kernels"]]


if __name__ == "__main__":  # WORD... ON_GHOST PROGRAM WORD...: runs the command, with PROGRAM on a ghost
    at = sys.argv.index("ON_GHOST")
    command = [*sys.argv[1:at], *on_ghost(sys.argv[at + 1]), *sys.argv[at + 2 :]]
    os.execvp(command[0], command)
