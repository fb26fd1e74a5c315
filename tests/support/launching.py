"""Starts lockstep's programs for the tests, follows their output, and checks that no process is left."""

import contextlib
import json
import os
import select
import signal
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[2]
QUICKSTART = REPOSITORY / "configs" / "quickstart.toml"
PROGRAMS = Path(os.environ.get("LOCKSTEP_BIN", REPOSITORY / "build" / "bin")).resolve()
LOCKSTEP = PROGRAMS / "lockstep"
WORKER = PROGRAMS / "lockstep-worker"
AS_ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
# Open MPI gives its ranks a terminal, whatever its own output is.
MPI_ENVIRONMENT = AS_ROOT | {"LOCKSTEP_PROGRESS": "json"}
MARK = "LOCKSTEP_TEST_PROCESS"  # an environment variable that all processes of one start inherit
RUN_SECONDS = 120
GONE_SECONDS = 15


class Outcome(NamedTuple):
    exit_code: int  # negative: the signal that ended the program itself
    stdout: str
    stderr: str
    seconds: float

    @property
    def output(self):
        """All output, for the messages of failed tests."""
        return f"exit code {self.exit_code}\n{last_lines(self.stdout)}\n{last_lines(self.stderr)}"

    @property
    def events(self):
        """The JSON objects of standard output, one per line; every line must be one."""
        return [json.loads(line) for line in self.stdout.splitlines()]

    def event(self, name):
        """The event of this name, of which there must be exactly one."""
        [event] = [event for event in self.events if event["event"] == name]
        return event


class Started:
    """A program and all that it starts in turn. None of it outlives finish() or the `with` block."""

    def __init__(self, argv, cwd=None, environment=None):
        self._mark = f"{MARK}={uuid.uuid4()}"
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 (__exit__ closes it)
        self._stdout = b""
        self._read = 0  # bytes of _stdout that next_event() has passed
        self._begin = time.monotonic()
        name, value = self._mark.split("=")
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=cwd,
            env=os.environ | {name: value} | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            start_new_session=True,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._kill_all()
        self.process.wait()
        self.process.stdout.close()
        self._stderr.close()

    def processes(self):
        """{process id: its environment} of all living processes of this start."""
        alive = {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                words = (folder / "environ").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue  # it has ended, or belongs to another user
            if self._mark in words:
                alive[int(folder.name)] = dict(word.split("=", 1) for word in words if "=" in word)
        return alive

    def named(self, program):
        """The ids of the processes that run this program."""
        return [pid for pid in self.processes() if command_of(pid) == program]

    def process_of_rank(self, rank, program=WORKER):
        environments = self.processes()
        [pid] = [
            pid
            for pid, environment in environments.items()
            if command_of(pid) == program.name[:15] and environment.get("OMPI_COMM_WORLD_RANK") == str(rank)
        ]
        return pid

    def next_event(self, seconds=RUN_SECONDS):
        """The next JSON line of standard output; None at its end."""
        deadline = time.monotonic() + seconds
        while b"\n" not in self._stdout[self._read :]:
            if not self._read_more(deadline):
                return None
        end = self._stdout.index(b"\n", self._read)
        line, self._read = self._stdout[self._read : end], end + 1
        return json.loads(line)

    def wait_for_event(self, name, **fields):
        """The first event from here on with this name and these fields."""
        while event := self.next_event():
            if event["event"] == name and fields.items() <= event.items():
                return event
        raise AssertionError(f"no event {name} with {fields} came\n{self.finish().output}")

    def finish(self, seconds=RUN_SECONDS):
        """Waits for the end of the program, and checks that nothing it started is left."""
        deadline = time.monotonic() + seconds
        while self._read_more(deadline):
            pass
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._fail_as_hung()
        took = time.monotonic() - self._begin
        left = self._left_after(GONE_SECONDS)
        outcome = Outcome(self.process.returncode, self._stdout.decode(), self.stderr(), took)
        assert not left, f"left behind: {left}\n{outcome.output}"
        return outcome

    def _read_more(self, deadline):
        """False at the end of standard output."""
        ready, _, _ = select.select([self.process.stdout], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            self._fail_as_hung()
        more = os.read(self.process.stdout.fileno(), 1 << 16)
        self._stdout += more
        return bool(more)

    def _fail_as_hung(self):
        left = {pid: command_of(pid) for pid in self.processes()}
        self._kill_all()
        raise AssertionError(f"hung, with {left}\n{last_lines(self._stdout.decode())}\n{last_lines(self.stderr())}")

    def _left_after(self, seconds):
        """Waits until all processes of this start are gone; returns the names of those that are not."""
        deadline = time.monotonic() + seconds
        while alive := self.processes():
            for pid in alive:
                try:
                    watch = os.pidfd_open(pid)
                except ProcessLookupError:
                    continue
                gone, _, _ = select.select([watch], [], [], max(0.0, deadline - time.monotonic()))
                os.close(watch)
                if not gone:
                    return [command_of(pid) for pid in self.processes()]
        return []

    def _kill_all(self):
        while alive := self.processes():
            for pid in alive:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.poll()

    def stderr(self):
        """What it has written to standard error so far."""
        self._stderr.seek(0)
        return self._stderr.read().decode(errors="replace")


def last_lines(text, count=20):
    return "\n".join(text.splitlines()[-count:])


def command_of(pid):
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def run(argv, cwd=None, environment=None, seconds=RUN_SECONDS):
    with Started(argv, cwd, environment) as started:
        return started.finish(seconds)


def mpirun(ranks, argv):
    """The command that starts `ranks` ranks without the launcher; needs MPI_ENVIRONMENT."""
    return ["mpirun", "--oversubscribe", "--bind-to", "none", "--quiet", "-np", ranks, *argv]


def set_options(settings):
    """--set for each setting; strings as they are, all other values as in TOML."""
    words = {key: value if isinstance(value, str) else json.dumps(value) for key, value in settings.items()}
    return [option for key, word in words.items() for option in ("--set", f"{key}={word}")]


def train_command(output, ranks, settings, *options, config=QUICKSTART):
    return [LOCKSTEP, "train", config, "--ranks", ranks, "--output", output, *set_options(settings), *options]


def train(output, ranks, settings, *options, config=QUICKSTART):
    """Trains to the end; returns the Outcome."""
    outcome = run(train_command(output, ranks, settings, *options, config=config))
    assert outcome.exit_code == 0, outcome.output
    return outcome


def why(output):
    """(exit code, answer) of `lockstep why`."""
    done = subprocess.run([LOCKSTEP, "why", output], capture_output=True, text=True, timeout=60)
    return done.returncode, json.loads(done.stdout)


def result_of(output):
    return json.loads((output / "result.json").read_text())


def metrics_of(output):
    return [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]


def checkpoints_of(output):
    """The names of everything in the checkpoint folder, oldest first."""
    return sorted(path.name for path in (output / "checkpoint").iterdir())
