"""GPUs of the double and of the ghost that fail on demand, and what NVML reports of them."""

import json
import os
import shutil

from tests.support.ghost import IS_BUILT, WHY_NOT
from tests.support.launching import LOCKSTEP, PROGRAMS, QUICKSTART, set_options
from tests.support.skipping import cannot_run

DOUBLE = PROGRAMS / "worker_on_nccl_double"
GHOST_NVML = PROGRAMS.parent / "ghost"

GPU_FAILED, ECC = 9, 214
HOST = os.uname().nodename
UUID = "GPU-2d000000-0000-0000-0000-{:012x}".format  # of the double's GPUs
# Of a small run that loses GPUs.
SETTINGS = {
    "data.train_samples": 512,
    "data.test_samples": 60,
    "training.max_steps": 12,
    "checkpoint.every_steps": 2,
    "training.epochs": 100,
    "reliability.max_restarts": 3,
    "distributed.device": "cuda",
}


def require_gpus():
    """Skips the test, or fails it in CI, if this build has neither double nor ghost."""
    if not DOUBLE.is_file() or not IS_BUILT:
        cannot_run(WHY_NOT)


def put_programs_into(folder):
    """The launcher, with the worker on the double beside it under the worker's name. Returns the folder."""
    shutil.copy(LOCKSTEP, folder / "lockstep")
    shutil.copy(DOUBLE, folder / "lockstep-worker")
    return folder


class Nvml:
    """What the ghost's NVML reports; a test may change it during a run."""

    def __init__(self, path):
        self._path, self._lines = path, []
        self.tell()

    def tell(self, *lines):
        self._lines += lines
        beside = self._path.with_suffix(".new")
        beside.write_text("".join(line + "\n" for line in self._lines))
        beside.rename(self._path)

    @property
    def environment(self):
        folders = [str(GHOST_NVML), *filter(None, [os.environ.get("LD_LIBRARY_PATH")])]
        return {"GHOST_NVML": str(self._path), "LD_LIBRARY_PATH": ":".join(folders)}


def command(programs, output, ranks, settings, *options):
    return [
        programs / "lockstep",
        "train",
        QUICKSTART,
        "--ranks",
        ranks,
        "--output",
        output,
        *set_options(settings),
        *options,
    ]


def broken(function, call, error, gpu, gpus=3):
    """The environment in which GPU `gpu` of the double fails in call number `call` of the function."""
    return {"NCCL_DOUBLE_GPUS": str(gpus), "NCCL_DOUBLE_FAIL": f"{function}:{call}:{error}:{gpu}"}


def ghost_uuid(gpu):
    digits = "".join(f"{(16 * gpu + byte) % 256:02x}" for byte in range(16))
    return "GPU-" + "-".join([digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]])


def set_aside(output):
    return json.loads((output / "status" / "set_aside.json").read_text())["gpus"]
