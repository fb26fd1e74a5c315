"""What all measures share: running programs to their end, alternating runs, medians, and the file of results.

build/bench/results.json is {part: {"rows", "command", "machine", "settings", "runs", ...}}. Each measure replaces its
own parts and keeps the others. table.py makes the table of docs/performance.md from the rows; see row().
"""

import contextlib
import datetime
import importlib.metadata
import json
import operator
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = Path(os.environ.get("LOCKSTEP_BIN", ROOT / "build/bin"))
RESULTS = ROOT / "build/bench/results.json"
# Programs get their own defaults, not the settings of the caller's shell.
DROPPED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_PRELOAD", "MALLOC_CONF")
CANNOT_START, RUN_FAILED, HASHES_DIFFER = 1, 3, 4  # argparse exits with 2
GOALS = {"at least": operator.ge, "at most": operator.le, "above": operator.gt, "below": operator.lt}


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def environment(extra=None):
    kept = {name: value for name, value in os.environ.items() if name not in DROPPED}
    if os.geteuid() == 0:  # mpirun demands these from root
        kept |= {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}
    kept["LOCKSTEP_PROGRESS"] = "json"  # under mpirun the ranks always see a terminal
    return kept | (extra or {})


def stop(process):
    process.terminate()  # lockstep, mpirun and torchrun end their ranks themselves
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)


@contextlib.contextmanager
def stopped_after(process, timeout_s):
    """Ends the process when the time is up, or when the block is left early. Yields an event that is set when time is
    up."""
    late = threading.Event()
    alarm = threading.Timer(timeout_s, lambda: (late.set(), stop(process)))
    alarm.start()
    try:
        yield late
    except BaseException:
        stop(process)
        raise
    finally:
        alarm.cancel()


def lines_of(command, timeout_s, extra=None, watch=lambda process, line: None):
    """[(seconds since the start of the command, line)] of the standard output of a program that must succeed; a failure
    quotes the end of its output. `watch` is called for each line while the program runs."""
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        start, lines = time.perf_counter(), []
        # In its own process group, so that a run that hangs is ended with everything that it started.
        with (
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                stderr=errors,
                stdin=subprocess.DEVNULL,
                text=True,
                errors="replace",
                env=environment(extra),
                start_new_session=True,
            ) as process,
            stopped_after(process, timeout_s) as late,
        ):
            for line in process.stdout:
                lines.append((time.perf_counter() - start, line.rstrip("\n")))
                watch(process, line)
            process.wait()
        errors.seek(0)
        said = [line for _, line in lines]
        require_success(command, process.returncode, late.is_set() and timeout_s, said, errors.read())
    return lines


def require_success(command, status, late_s, lines, errors):
    shown = " ".join(map(str, command))
    if late_s:
        raise Failure(RUN_FAILED, f"no end within {late_s} s: {shown}")
    if status != 0:
        last = "\n".join([*lines, *errors.strip().splitlines()][-15:])
        raise Failure(RUN_FAILED, f"exit status {status} from: {shown}\n{last}")


def json_lines(lines):
    """The JSON objects among the lines of text; other programs may print between them."""
    found = []
    for line in lines:
        with contextlib.suppress(ValueError):
            if isinstance(value := json.loads(line), dict):
                found.append(value)
    return found


def picked(source, keys, origin):
    """{new name: number or text} from a parsed JSON object."""
    missing = [key for key in keys.values() if key not in source]
    if missing:
        raise Failure(RUN_FAILED, f"{origin} lacks {', '.join(missing)}")
    return {name: source[key] for name, key in keys.items()}


@contextlib.contextmanager
def run_folder(options, prefix):
    """The path of a run folder that does not exist yet, next to the results; removed at the end."""
    options.output.parent.mkdir(parents=True, exist_ok=True)
    parent = Path(tempfile.mkdtemp(prefix=f"{prefix}-", dir=options.output.parent))
    try:
        yield parent / "run"
    finally:
        shutil.rmtree(parent, ignore_errors=True)


def result_of(folder):
    path = folder / "result.json"
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise Failure(RUN_FAILED, f"lockstep left no readable {path.name} ({error})") from None


def require_programs(*paths):
    for path in paths:
        if not os.access(path, os.X_OK):
            raise Failure(
                CANNOT_START,
                f"{path} is missing (it is what is measured) build it with `ninja -C build {Path(path).name}`",
            )


def alternate(rounds, sides, said):
    """{side: [the result of each run]}: the sides take turns (A B A B ...), so that a drift of the machine affects all
    of them. sides: {side: function that makes one run}; said(a round's runs): what to print for a round."""
    runs = {side: [] for side in sides}
    for number in range(rounds):
        for side, run in sides.items():
            runs[side].append(run())
        print(f"  round {number + 1} of {rounds}: {said({side: runs[side][-1] for side in sides})}", flush=True)
    return runs


def figures_of(turn, key):
    """One round as text: {side: run} -> "a 1.00, b 2.00"."""
    return ", ".join(f"{side} {run[key]:.2f}" for side, run in turn.items())


def spread(values):
    values = sorted(values)
    return {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}


def medians_of(runs, key):
    """{side: {"median", "lowest", "highest"}} of one figure."""
    return {side: spread(run[key] for run in those) for side, those in runs.items()}


def require_one_hash(name, runs):
    if len({run["state_hash"] for run in runs}) != 1:
        ended = ", ".join(f"{run['ranks']} ranks: {run['state_hash']}" for run in runs)
        raise Failure(HASHES_DIFFER, f"{name}: runs of one configuration end in different states ({ended})")


def row(measure, value, figure, goal=None, goal_said=None):
    """One line of the table of docs/performance.md. goal: None or for example ("at least", 1.5), which `value` must
    meet; goal_said: the goal in other words."""
    met = None if goal is None else GOALS[goal[0]](value, goal[1])
    said = goal_said or (goal and f"{goal[0]} {goal[1]:g}")
    return {"measure": measure, "value": value, "figure": figure, "goal": said, "met": met}


def first_line(command):
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        raise Failure(
            CANNOT_START,
            "this Python has no torch, which the peers need; use .venv/bin/python3 after `make setup-tests`",
        ) from None
    return {
        "processor": processor(),
        "usable_cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "torch": torch,
        "lockstep": first_line([str(PROGRAMS / "lockstep"), "--version"]),
        "commit": first_line(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]),
        "mpi": first_line(["mpirun", "--version"]),
        "date": datetime.date.today().isoformat(),
        "load_average_before": round(os.getloadavg()[0], 2),
    }


def busy(facts):
    """Says if other work kept the machine busy before a measure began: its figures then mean little."""
    load, cores = facts["load_average_before"], facts["usable_cores"]
    return f"other work kept the machine busy: load average {load:g} on {cores} cores" if load > cores / 2 else ""


def read_results(path):
    try:
        return json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise Failure(CANNOT_START, f"{path} is not JSON ({error}); remove it") from None


def record(path, parts):
    """Writes parts to the file of results, replacing earlier parts of the same names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    merged = read_results(path) | parts
    new = path.with_suffix(".new")
    new.write_text(json.dumps(merged, indent=2) + "\n")
    new.replace(path)
