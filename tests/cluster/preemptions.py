"""Preempts jobs on a simulated Slurm at random moments. Checks that each saves in order, requeues itself and resumes.

    python -m tests.cluster.preemptions --signals 30 --seed 0      as root

Every other run ends again and again at its own time limit, with a notice of random length. In the other runs a signal
(SIGTERM, SIGUSR1, SIGUSR2) is sent to the launcher, a sentinel or a rank at a random moment: during the start-up, or
shortly after a step, an evaluation or a checkpoint. A job that got SIGTERM ends, since a person may have sent it, and
is submitted again. Each run must reach the state of an undisturbed run on one rank, and must lose no step that was done
before the signal."""

import argparse
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.cluster.launched import (
    LONG,
    alone,
    complete_lines,
    events_of,
    expect_equal,
    field,
    processes_named,
    submit,
    text_of,
    wait_until,
)
from tests.support.cluster import Cluster

SETTINGS = LONG | {
    "training.max_steps": 1200,
    "training.epochs": 200,
    "training.evaluate_every_epochs": 1,
    "checkpoint.every_steps": 7,
    "schedule.warmup_ratio": 0.1,
}
SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
TARGETS = ("lockstep", "lockstep-watch", "lockstep-worker")
MOMENTS = ("start-up", "start", "step", "evaluation", "checkpoint")
ENDED = ("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL")
LIMIT_SECONDS = 60  # what --time 1 gives
RESTARTS_ARE_FOR_ANOTHER_TEST = {"reliability.max_restarts": 0}


class Job:
    """One submitted run, attempt by attempt."""

    def __init__(self, cluster, output, *arguments):
        self.cluster, self.output, self.arguments = cluster, output, arguments
        self.preempted, self.done_steps = 0, 0
        self.submit()

    def submit(self):
        self.id, self.log = submit(
            self.cluster, self.output, *self.arguments, settings=SETTINGS | RESTARTS_ARE_FOR_ANOTHER_TEST
        )
        self.attempt, self._read = 0, 0
        self._ends_by = None  # the signal after which it is not requeued

    def said(self):
        """The output of this attempt so far."""
        return complete_lines(text_of(self.log)[self._read :])

    def state(self):
        return field(self.cluster, self.id, "JobState")

    def disturb(self, draw):
        """Sends a signal at a random moment. Returns a description of it, or None if the run ended before."""
        moment, target, number = draw.choice(MOMENTS), draw.choice(TARGETS), draw.choice(SIGNALS)
        if moment == "start-up":
            self._wait(lambda: processes_named(self.cluster, "lockstep"))
        else:
            count = draw.randint(1, 30)
            self._wait(lambda: len(events_of(self.said(), moment)) >= (1 if moment == "start" else count))
        time.sleep(draw.random() * (2 if moment == "start-up" else 0.3))  # picks the moment; waits for nothing
        found = processes_named(self.cluster, target)
        if not found:  # not started yet, or ended already
            target = "lockstep"
            found = processes_named(self.cluster, target)
        if not found:
            return None
        self._ends_by = number if number == signal.SIGTERM else None
        with contextlib.suppress(ProcessLookupError):
            os.kill(draw.choice(found), number)
        return f"{number.name} to {target} in {moment}"

    def _wait(self, is_so):
        wait_until(
            lambda: is_so() or self.state() in ENDED, lambda: f"job {self.id} is {self.state()}\n{self.said()[-4000:]}"
        )

    def wait_for_end_of_attempt(self):
        """(what is wrong, whether the run is complete, what was saved in words)."""
        self._wait(lambda: int(field(self.cluster, self.id, "Restarts")) > self.attempt)
        text, state = self.said(), self.state()
        if state == "COMPLETED":
            return "", True, "complete"
        self.preempted += 1
        if state in ENDED:
            code = field(self.cluster, self.id, "ExitCode")
            if not self._ends_by or code != f"{128 + self._ends_by}:0":
                return f"the job ended as {state} with {code}\n{text[-4000:]}", True, ""
            found = self._problem_of(text)
            self.submit()
            return found
        self.attempt += 1
        self._read += len(text)
        return self._problem_of(text)

    def _problem_of(self, text):
        started, stopped = events_of(text, "start"), events_of(text, "stopped")
        done = max([event["step"] for event in events_of(text, "step")], default=0)
        if not started:
            return "", False, "nothing was begun"
        if started[0]["step"] != self.done_steps:
            return f"went on from step {started[0]['step']} instead of {self.done_steps}\n{text[-4000:]}", False, ""
        if len(stopped) != 1 or stopped[0]["step"] < done:
            return f"stopped {stopped} after step {done}\n{text[-4000:]}", False, ""
        self.done_steps = stopped[0]["step"]
        return "", False, f"saved step {self.done_steps}"


class Preemptions:
    """A number of preemptions, over one run after another, and their outcomes."""

    def __init__(self, cluster, folder, wanted, seed):
        self.cluster, self.folder, self.wanted = cluster, folder, wanted
        self.draw = random.Random(seed)
        self.reference = alone(folder / "alone", SETTINGS)
        self.orderly, self.problems = Counter(), 0

    def done(self):
        return self.orderly.total() + self.problems

    def follow(self, number):
        """Follows one run from its submission to its end."""
        notice = self.draw.randint(45, 57)
        by_limit = number % 2 == 1
        output = self.folder / f"run-{number}"
        job = Job(self.cluster, output, *(["--time", "1", "--signal-seconds", str(notice)] if by_limit else []))
        while True:
            what = f"{notice} s before the time limit of {LIMIT_SECONDS}" if by_limit else None
            if not by_limit and self.done() < self.wanted:
                what = job.disturb(self.draw)
            problem, complete, saved = job.wait_for_end_of_attempt()
            if problem:
                self.cluster.run("head", ["scancel", job.id])
                return self._wrong(f"{what}: {problem}")
            if complete:
                break
            self.orderly["by time limit" if by_limit else "by signal"] += 1
            print(f"{self.done()}/{self.wanted} run {number}: {what}: {saved}", flush=True)
        try:
            expect_equal(output, 3, self.reference)
        except AssertionError as difference:
            return self._wrong(f"run {number}: {difference}")
        print(f"run {number}: complete after {job.preempted} preemptions, the same state", flush=True)

    def _wrong(self, what):
        self.problems += 1
        print(f"WRONG: {what}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--signals", type=int, default=30, metavar="N", help="how many (default: 30)")
    parser.add_argument("--seed", default="0")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="preemptions-") as folder, Cluster(hosts=3, slurm=True) as cluster:
        tried = Preemptions(cluster, Path(folder), options.signals, options.seed)
        for number in range(options.signals):
            if tried.done() < options.signals:
                tried.follow(number)
    print(
        f"preempted {tried.done()}: "
        + ", ".join(f"{count} {what}" for what, count in tried.orderly.items())
        + f", {tried.problems} wrong"
    )
    return 1 if tried.problems else 0


if __name__ == "__main__":
    sys.exit(main())
