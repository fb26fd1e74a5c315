"""The programs, data and time limits of check.py, taken from build/ or from the bundle that prepare.sh packed."""

import contextlib
import importlib.util
import json
import os
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import NamedTuple

from tests.gpu.pictures import write_pictures

ROOT = Path(__file__).resolve().parents[2]
BUNDLE = ROOT / "build" / "gpu-bundle"
BUILT = ROOT / "build" / "bin"
PROGRAMS = Path(os.environ.get("LOCKSTEP_BIN") or (BUILT if BUILT.is_dir() else BUNDLE / "bin")).resolve()
QUICKSTART = ROOT / "configs" / "quickstart.toml"
# Goes in front of each program that uses the GPU; tests on machines without one load a simulated GPU this way.
PREFIX = shlex.split(os.environ.get("LOCKSTEP_GPU_PREFIX", ""))
ENDING_SECONDS = 10


class Failed(Exception):
    """What a part found wrong."""


class Outcome(NamedTuple):
    exit_code: int
    stdout: str
    stderr: str

    def last_words(self):
        said = [line for line in (self.stdout + "\n" + self.stderr).splitlines() if line.strip()]
        return f"exit code {self.exit_code}: " + " / ".join(said[-3:])[-600:]


def libraries():
    """Where a bundled program finds libraries that it was not linked with here: in the bundle, then in torch's
    wheels."""
    spec = importlib.util.find_spec("torch")
    torch = (
        [Path(spec.origin).parent / "lib", *sorted(Path(spec.origin).parents[1].glob("nvidia/*/lib"))] if spec else []
    )
    return [BUNDLE / "lib", *torch]


def environment():
    kept = os.environ | {
        "LOCKSTEP_PROGRESS": "json",
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    if PROGRAMS.is_relative_to(BUNDLE):
        usr = BUNDLE / "usr"
        paths = ":".join(map(str, libraries()))
        kept |= {
            "LD_LIBRARY_PATH": f"{paths}:{kept.get('LD_LIBRARY_PATH', '')}",
            "PATH": f"{usr / 'bin'}:{kept['PATH']}",
            "OPAL_PREFIX": str(usr),
            "OMPI_MCA_btl": "self,vader",
            "OMPI_MCA_pml": "ob1",
        }
    return kept


def mpirun(ranks):
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "--quiet", "-np", str(ranks)]


def with_settings(settings):
    """--set for each setting; strings as they are, all other values as in TOML."""
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return [option for key, word in words.items() for option in ("--set", f"{key}={word}")]


def end(process):
    """Ends the process and all that it started; mpirun and lockstep end their ranks themselves."""
    process.terminate()
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class Card:
    """One part while it runs: its time limit, where it writes, and what it reports."""

    def __init__(self, part, folder, figures, seconds):
        self.part, self.folder, self._figures = part, folder, figures
        self._deadline = time.monotonic() + seconds
        folder.mkdir(parents=True, exist_ok=True)

    def seconds_left(self):
        return self._deadline - time.monotonic()

    def note(self, **figures):
        """Adds a line to the file of figures."""
        with self._figures.open("a") as file:
            file.write(json.dumps({"part": self.part} | figures) + "\n")

    @contextlib.contextmanager
    def started(self, argv):
        """Starts a program, which is ended with the block or when the time is up."""
        process = subprocess.Popen(
            [str(word) for word in argv],
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        alarm = threading.Timer(max(self.seconds_left(), 0.1), end, [process])
        alarm.start()
        try:
            yield process
        finally:
            alarm.cancel()
            alarm.join()
            if process.poll() is None:
                end(process)

    def run(self, argv):
        with self.started(argv) as process:
            stdout, stderr = process.communicate()
        if self.seconds_left() <= 0:
            raise Failed(f"out of time in {' '.join(map(str, argv))[-300:]}")
        return Outcome(process.returncode, stdout, stderr)

    def require(self, argv):
        outcome = self.run(argv)
        if outcome.exit_code != 0:
            raise Failed(f"{' '.join(map(str, argv))[-300:]}: {outcome.last_words()}")
        return outcome

    def program(self, name):
        path = PROGRAMS / name
        if not path.is_file():
            raise Failed(f"{path} is not there (build the target {name}, or pack it with tests/gpu/prepare.sh)")
        return [*PREFIX, path]

    def training(self, name, settings, ranks=1):
        """The command that runs the worker with the run folder self.folder / name."""
        start = mpirun(ranks) if ranks > 1 else []
        return [
            *start,
            *self.program("lockstep-worker"),
            QUICKSTART,
            "--output",
            self.folder / name,
            *with_settings(settings),
        ]

    def train(self, name, settings, ranks=1):
        """Trains to the end; returns the content of result.json."""
        self.require([*self.training(name, settings, ranks), "--fresh"])
        return json.loads((self.folder / name / "result.json").read_text())

    def pictures(self, side):
        """A packed file of random pictures with this side in pixels, shared by all parts."""
        packed = self.folder.parent / f"pictures-{side}.pack"
        if not packed.is_file():
            tree = self.folder.parent / "pictures"
            if not tree.is_dir():
                write_pictures(tree.with_suffix(".writing"), train=512, test=64)
                tree.with_suffix(".writing").rename(tree)
            self.require([*self.program("lockstep-worker"), "--pack", tree, packed, "--set", f"data.image_size={side}"])
        return str(packed)


def hashes(result):
    return result["state_hash"], result["weights_hash"]
