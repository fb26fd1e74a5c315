"""Runs the trials of the crash matrix: the undisturbed run, its points, and runs with a fault at one of the points."""

import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from signal import SIGKILL

from tests.integration.crash_trials import EXIT_CODES, FAULTS, IN_WORDS, IO, SCENES, Trial, in_order
from tests.support.idx_files import first_images, write_folder
from tests.support.launching import (
    MPI_ENVIRONMENT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    Started,
    metrics_of,
    mpirun,
    result_of,
    run,
    set_options,
)

PROGRAM = PROGRAMS / "worker_with_points"
LIBRARY = PROGRAMS.parent / "lib" / "liblockstep_faults.so"
TRAIN_SAMPLES, TEST_SAMPLES, LAST_STEP = 64, 40, 4
# All arrays that a checkpoint can have, in tensors that are sharded across ranks; a save after each step, two
# evaluations.
SETTINGS = {
    "model.name": "small_cnn",
    "training.batch_size": 16,
    "training.gradient_accumulation_steps": 2,
    "training.micro_batch_size": 4,
    "training.epochs": 2,
    "training.log_every_steps": 1,
    "training.early_stopping": True,
    "training.restore_best": True,
    "optimizer.name": "adamw",
    "optimizer.learning_rate": 0.001,
    "averaging.use_swa": True,
    "averaging.swa_start_epoch": 0,
    "checkpoint.every_steps": 1,
    "run.trace": True,
}
BACKING = "OMPI_MCA_btl_vader_backing_directory"  # Open MPI does not remove the shared memory of killed ranks
LINK_SECONDS = 3  # how long a rank waits for messages where links are cut
START_SECONDS = 120  # the same before it knows its configuration (deadline_at_start in worker/main.cpp)
LEAVE_SECONDS = 20  # how long after that all ranks may take to end on a busy machine
HANG_SECONDS = 180


class Matrix:
    """The undisturbed run, its points, and their trials, in `folder`. `program` is the worker into which faults are
    injected. With `tells`, the output of each trial is printed."""

    def __init__(self, folder, program=PROGRAM, tells=False):
        for path in (program, LIBRARY):
            if not path.is_file():
                sys.exit(f"{path} is not there (build it first, or set LOCKSTEP_BIN)")
        self._folder, self._program, self._tells = folder, program, tells
        self._data = write_folder(
            folder / "data", first_images("train", TRAIN_SAMPLES), first_images("t10k", TEST_SAMPLES)
        )
        self._half = folder / "half"
        self._points, self._result = {}, None

    def points(self, scene):
        """[(rank, point)] of an undisturbed run. Its result must be the same in all scenes."""
        if scene not in self._points:
            output, log = self._start(scene, "undisturbed"), self._folder / "points"
            outcome = run(
                self._command(self._program, scene, output, SCENES[scene].ranks), environment=environment(output, log)
            )
            assert outcome.exit_code == 0, outcome.output
            hashes = hashes_of(output)
            assert self._result in (None, hashes), f"{scene}: {hashes} instead of {self._result}"
            self._result = hashes
            lines = [line.split(" ", 1) for line in log.read_text().splitlines()]
            self._points[scene] = [(int(rank), point) for rank, point in lines]
            log.unlink()
            shutil.rmtree(output)
        return self._points[scene]

    def trials(self, seed):
        """All trials, in the order of in_order()."""

        def ranks_after(*trial):
            return random.Random(f"{seed}.{trial}").randint(1, 4)

        return in_order(
            (
                Trial(scene, rank, point, fault, ranks_after(scene, rank, point, fault))
                for scene in SCENES
                for rank, point in self.points(scene)
                for fault in FAULTS[point.split()[0]]
            ),
            seed,
        )

    def attempt(self, trial):
        """What is wrong, "" if nothing is, or None if the run did not reach the point."""
        self.points(trial.scene)  # also sets the expected result
        output = self._start(trial.scene, "hurt")
        log = self._folder / "reached"
        try:
            outcome, seconds = self._hurt(trial, output, log)
            if self._tells:
                print(outcome.output)
            if log.exists():
                return self._problem(trial, output, outcome, seconds)
            return None if outcome.exit_code == 0 else f"ended before the point\n{outcome.output}"
        except AssertionError as failure:  # it hung, or left processes behind
            return f"{failure}"
        finally:
            log.unlink(missing_ok=True)
            shutil.rmtree(output, ignore_errors=True)

    def _hurt(self, trial, output, log):
        """The outcome of the run, and the seconds from the fault to its end."""
        more = {"FAULT_RANK": str(trial.rank), "FAULT_POINT": trial.point, "FAULT_KIND": trial.fault}
        settings = {"reliability.collective_timeout_seconds": LINK_SECONDS} if trial.fault == "cut" else {}
        command = self._command(self._program, trial.scene, output, SCENES[trial.scene].ranks, settings)
        with (
            tempfile.TemporaryDirectory(dir="/dev/shm") as memory,
            Started(command, environment=environment(output, log) | more | {BACKING: memory}) as started,
        ):
            if trial.fault == "stop":
                threading.Thread(target=kill_when_stopped, args=(started.process, log)).start()
            outcome = started.finish(HANG_SECONDS)
        return outcome, time.time() - log.stat().st_mtime if log.exists() else 0

    def _problem(self, trial, output, outcome, seconds):
        said = events_of(outcome.stdout)
        if outcome.exit_code not in EXIT_CODES[trial.fault]:
            return f"ended with exit code {outcome.exit_code}\n{outcome.output}"
        if outcome.exit_code == IO and IN_WORDS[trial.fault] not in outcome.stderr:
            return f"does not say why\n{outcome.output}"
        patience = LINK_SECONDS if any(event["event"] == "start" for event in said) else START_SECONDS
        if trial.fault == "cut" and seconds > patience + LEAVE_SECONDS:
            return f"noticed the cut link after {seconds:.0f} s\n{outcome.output}"
        if SCENES[trial.scene].goes_on and any(event["event"] == "start" and event["step"] == 0 for event in said):
            return f"started over\n{outcome.output}"
        resumed = run(self._command(WORKER, trial.scene, output, trial.resume_ranks), environment=MPI_ENVIRONMENT)
        if resumed.exit_code != 0:
            return f"does not go on\n{outcome.output}\n{resumed.output}"
        if hashes_of(output) != self._result:
            return f"ended with {hashes_of(output)} instead of {self._result}\n{resumed.output}"
        if [line["step"] for line in metrics_of(output) if "loss" in line] != list(range(1, LAST_STEP + 1)):
            return f"has not one line for each step\n{(output / 'metrics.jsonl').read_text()}"
        return self._loss(trial, said, resumed, output) if outcome.exit_code != 0 else ""

    def _loss(self, trial, said, resumed, output):
        """Describes steps that were repeated although they were saved, or files that were left although the run saved
        again."""
        saved = [event["step"] for event in said if event["event"] in ("start", "checkpoint")]
        if SCENES[trial.scene].goes_on:
            saved.append(newest_step(self._half))
        first = [event["step"] for event in resumed.events if event["event"] == "start"]
        if first and first[0] < max(saved, default=0):
            return f"went on from step {first[0]}, after step {max(saved)} was saved\n{resumed.output}"
        left = [str(path) for path in output.rglob("*.writing")]
        return f"left behind {left}\n{resumed.output}" if left and first and first[0] < LAST_STEP else ""

    def _command(self, program, scene, output, ranks, settings=None):
        settings = SETTINGS | SCENES[scene].settings | {"data.path": str(self._data)} | (settings or {})
        preload = ["env", f"LD_PRELOAD={LIBRARY}"] if program == self._program else []
        return mpirun(ranks, [*preload, program, QUICKSTART, "--output", output, *set_options(settings)])

    def _start(self, scene, name):
        """Prepares the run folder that the run begins with."""
        output = self._folder / name
        if SCENES[scene].goes_on:
            if not self._half.exists():
                self._make_half()
            shutil.copytree(self._half, output)
        return output

    def _make_half(self):
        """Makes the run folder of a run that was killed just before its third save or a later one."""
        saves = [point for rank, point in self.points("shared") if rank == 0 and point.startswith("phase checkpoint")]
        trial = Trial("shared", 0, saves[len(saves) * 3 // 4], "kill", 1)
        outcome, _ = self._hurt(trial, self._half, self._folder / "half.log")
        assert 2 <= newest_step(self._half) < LAST_STEP, outcome.output


def environment(output, log):
    return MPI_ENVIRONMENT | {"FAULT_UNDER": str(output), "FAULT_LOG": str(log)}


def kill_when_stopped(program, log):
    """Waits until the process in `log` has stopped, and kills it; gives up when `program` ends."""
    while program.poll() is None:
        words = log.read_text().split() if log.exists() else []
        if words and is_stopped(words[0]):
            os.kill(int(words[0]), SIGKILL)
            return
        time.sleep(0.01)  # polling interval


def is_stopped(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    except OSError:
        return False  # it has ended


def events_of(text):
    """The complete lines in the output of a run that may have been killed while it wrote one."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and line.endswith("}")]


def hashes_of(output):
    result = result_of(output)
    return result["state_hash"], result["weights_hash"]


def newest_step(output):
    names = [path.name for path in (output / "checkpoint").iterdir()]
    return max((int(name[5:]) for name in names if re.fullmatch(r"step-\d+", name)), default=0)
