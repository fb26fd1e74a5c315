"""The trials of the crash matrix: which fault strikes at which point, in which order, and which exit codes are
right."""

import random
import re
import shlex
from collections import Counter
from signal import SIGKILL
from typing import NamedTuple

ANYTHING, READS, DISK = ("kill", "stop"), ("kill", "stop", "eio"), ("enospc", "eio")
FAULTS = {
    "phase": (*ANYTHING, "cut"),
    "message": (*ANYTHING, "cut"),
    "call": ANYTHING,
    "open-to-read": READS,
    "read": READS,
    "look": READS,
    "remove": READS,
    "write": (*ANYTHING, "torn", *DISK),
    "open": ANYTHING + DISK,
    "mkdir": ANYTHING + DISK,
    "reserve": ANYTHING + DISK,
    "resize": ANYTHING + DISK,
    "sync": ANYTHING + DISK,
    "rename": ANYTHING + DISK,
}
# Operations that count as the same kind when a sample is drawn.
KIND = {"mkdir": "open", "reserve": "open", "resize": "open", "open-to-read": "read", "look": "read"}
KILLED, PEER_LOST, IO = 128 + SIGKILL, 3, 4
EXIT_CODES = {
    "kill": (KILLED, PEER_LOST),
    "stop": (KILLED, PEER_LOST),
    "torn": (KILLED, PEER_LOST),
    "cut": (PEER_LOST, 0),
    "enospc": (IO, 0),
    "eio": (IO, 0),
}
IN_WORDS = {"enospc": "No space left on device", "eio": "Input/output error"}


class Scene(NamedTuple):
    ranks: int
    settings: dict
    goes_on: bool  # resumes a run from its middle


SCENES = {
    "shared": Scene(2, {}, False),
    "messages": Scene(3, {"distributed.shared_memory": False}, False),
    "resumed": Scene(2, {}, True),
}


class Trial(NamedTuple):
    scene: str
    rank: int
    point: str
    fault: str
    resume_ranks: int

    def words(self):
        return shlex.join(str(word) for word in self)

    def kind(self):
        operation = self.point.split()[0]
        return KIND.get(operation, operation), self.fault

    def place(self):
        """Equal for points that differ only in their number, their step or their peer."""
        return self.scene, self.rank, re.sub(r"\d+", "N", self.point), self.fault


def in_order(trials, seed):
    """In random order, but first one trial of each kind, then one for each place, then the rest."""
    # Each trial draws its own number: two runs differ by a few messages, which must not change the order of the rest.
    trials = sorted(trials, key=lambda trial: random.Random(f"{seed}.{trial}").random())
    kinds, places = Counter(), Counter()
    keys = {}
    for trial in trials:
        places[trial.place()] += 1
        kinds[trial.kind()] += 1
        keys[trial] = min(2, kinds[trial.kind()]), places[trial.place()]
    return sorted(trials, key=keys.get)


def places_in(logs):
    """The places of the trials that the `logs` of earlier runs name."""
    lines = [line for log in logs for line in log.read_text().splitlines()]
    tried = [re.fullmatch(r"\d+/\d+ (.*): (?:equal|WRONG)", line) for line in lines]
    words = [shlex.split(line[1]) for line in tried if line]
    return {Trial(scene, int(rank), point, fault, int(ranks)).place() for scene, rank, point, fault, ranks in words}
