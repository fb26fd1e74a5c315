"""GPUs of the double and of the ghost that fail on demand, and what NVML reports of them."""

import json
import os

from tests.support.launching import PROGRAMS, QUICKSTART, set_options

DOUBLE = PROGRAMS / "worker_on_nccl_double"
GHOST_NVML = PROGRAMS.parent / "ghost"

GPU_FAILED, ECC = 9, 214
HOST = os.uname().nodename
UUID = "GPU-2d000000-0000-0000-0000-{:012x}".format  # of the double's GPUs


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
