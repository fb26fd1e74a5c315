"""The crash matrix: faults are injected into a small run with all features at each of its points, and it loses nothing.

A point is an operation on a file of the run folder, a message, or the beginning of a phase, on one rank
(tests/support/faults/points.hpp). The faults at each point: kill -9, kill -STOP, and what else can happen there: half a
write, a full or a broken disk, a cut link. The run must end with the exit code that docs/errors.md gives for it and
leave no process behind. Resumed without faults on 1 to 4 ranks, it must continue from the newest checkpoint that it had
announced, and reach the state hash and the weights hash of the undisturbed run.

The trials are ordered such that the first few already cover each kind of point with each fault.
"""

import argparse
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.integration.crash_attempts import PROGRAM, Matrix
from tests.integration.crash_trials import Trial, places_in

EXAMPLES = """Examples:
  .venv/bin/python -m tests.integration.crash_matrix --points 100 --seed 7      a sample
  .venv/bin/python -m tests.integration.crash_matrix --minutes 25 | tee log     as many as fit, the different ones first
  .venv/bin/python -m tests.integration.crash_matrix --done log                 the others another time
  .venv/bin/python -m tests.integration.crash_matrix --only 'rename .* kill'    all trials whose words have this in them
  .venv/bin/python -m tests.integration.crash_matrix --list                     name them, and try none
  .venv/bin/python -m tests.integration.crash_matrix --trial shared 0 'rename checkpoint/step-00000002 #1' kill 3
                                                               one again, resumed on 3 ranks, with what was said
Exit status: 0 when all are equal, 1 otherwise."""

COMMAND = ".venv/bin/python -m tests.integration.crash_matrix"


class Tried(NamedTuple):
    equal: int
    not_reached: list
    problems: dict  # what is wrong, by trial


def try_all(matrix, trials, minutes=None, program=PROGRAM):
    """Attempts the trials, as many as fit into `minutes`, and prints the outcome of each."""
    tried, deadline = Tried(0, [], {}), time.monotonic() + 60 * (minutes or float("inf"))
    for number, trial in enumerate(trials, 1):
        if time.monotonic() > deadline:
            break
        problem = matrix.attempt(trial)
        word = {"": "equal", None: "not reached"}.get(problem, "WRONG")
        print(f"{number}/{len(trials)} {trial.words()}: {word}", flush=True)
        if problem is None:
            tried.not_reached.append(trial)
        elif problem:
            tried.problems[trial] = problem
            options = "" if program == PROGRAM else f" --program {program}"
            print(f"  again: {COMMAND}{options} --trial {trial.words()}\n  {problem}", flush=True)
        else:
            tried = tried._replace(equal=tried.equal + 1)
    print(
        f"points tried {tried.equal + len(tried.problems)}, points equal {tried.equal}"
        + (f" (not reached in another {len(tried.not_reached)})" if tried.not_reached else ""),
        flush=True,
    )
    return tried


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--points", type=int, metavar="N", help="try N trials of them")
    parser.add_argument(
        "--done",
        type=Path,
        nargs="+",
        default=[],
        metavar="LOG",
        help="leave out what is much the same as a trial in what earlier ones have printed",
    )
    parser.add_argument("--seed", default="0", help="of the order, and of the numbers of ranks to go on on")
    parser.add_argument("--minutes", type=float, help="begin no trial after so many")
    parser.add_argument("--only", default="", metavar="REGEX", help="the trials in whose words this is found")
    parser.add_argument("--list", action="store_true", help="name the trials")
    parser.add_argument("--trial", nargs=5, metavar=("SCENE", "RANK", "POINT", "FAULT", "RANKS"), help="this one alone")
    parser.add_argument("--program", type=Path, default=PROGRAM, help="the worker to hurt, instead of %(default)s")
    return parser.parse_args()


def main():
    chosen = arguments()
    with tempfile.TemporaryDirectory(prefix="crash-matrix-") as folder:
        matrix = Matrix(Path(folder), chosen.program, tells=chosen.trial is not None)
        if chosen.trial:
            scene, rank, point, fault, ranks = chosen.trial
            trials = [Trial(scene, int(rank), point, fault, int(ranks))]
        else:
            trials = [trial for trial in matrix.trials(chosen.seed) if re.search(chosen.only, trial.words())]
            done = places_in(chosen.done)
            trials = [trial for trial in trials if trial.place() not in done][: chosen.points]
        if chosen.list:
            print("\n".join(trial.words() for trial in trials))
            return 0
        tried = try_all(matrix, trials, chosen.minutes, chosen.program)
    return 1 if tried.problems or (tried.not_reached and tried.equal == 0) else 0


if __name__ == "__main__":
    sys.exit(main())
