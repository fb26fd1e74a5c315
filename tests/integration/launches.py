"""Launches runs, ends each in another way, and looks for leftovers: processes, files in /dev/shm, open ports.

test_launches.py ends one run in each way.
"""

import argparse
import os
import signal
import sys
import tempfile
import time
from pathlib import Path

from tests.support.launching import MPI_ENVIRONMENT, Started, train_command
from tests.support.traces import looked_at

EXAMPLES = """Examples:
  .venv/bin/python -m tests.integration.launches --launches 50
Exit status: 0 when nothing is left, 1 otherwise."""

SETTINGS = {
    "model.name": "mlp",
    "model.hidden_sizes": [16],
    "data.train_samples": 512,
    "data.test_samples": 64,
    "training.batch_size": 64,
    "training.epochs": 10000,
    "training.log_every_steps": 1,
    "reliability.max_restarts": 0,
}
SENTINEL = "lockstep-watch"
RANKS = 2
LEAVE_SECONDS = 20


def end_by_itself(started):
    started.wait_for_event("result")


def terminate_the_launcher(started):
    started.process.send_signal(signal.SIGTERM)


def kill_the_launcher(started):
    started.process.kill()


def kill_mpirun(started):
    [pid] = started.named("mpirun") or started.named("orterun")
    os.kill(pid, signal.SIGKILL)


def kill_a_rank(started):
    os.kill(started.process_of_rank(1), signal.SIGKILL)


def kill_a_sentinel(started):
    os.kill(started.named(SENTINEL)[0], signal.SIGKILL)


def kill_all_but_one_sentinel(started):
    last = started.named(SENTINEL)[-1]
    for pid in started.processes():
        if pid != last:
            os.kill(pid, signal.SIGKILL)


WAYS = [
    end_by_itself,
    terminate_the_launcher,
    kill_the_launcher,
    kill_mpirun,
    kill_a_rank,
    kill_a_sentinel,
    kill_all_but_one_sentinel,
]


def left_by(way, folder, number=0):
    """Files and ports that are left after a run that ended in this way. Raises AssertionError if processes are left."""
    settings = SETTINGS | ({"training.epochs": 1} if way is end_by_itself else {})
    with looked_at() as place:
        command = place.command(train_command(folder / f"{way.__name__}-{number}", RANKS, settings))
        with Started(command, environment=MPI_ENVIRONMENT) as started:
            started.wait_for_event("step")
            place.note(started.processes())
            way(started)
            started.finish()
        deadline = time.monotonic() + LEAVE_SECONDS
        while (left := place.left()) and time.monotonic() < deadline:
            time.sleep(0.1)  # polling interval
        return left


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--launches", type=int, default=50, metavar="N", help="how many, in turn in each way (default: 50)"
    )
    wanted = parser.parse_args()
    found = 0
    with tempfile.TemporaryDirectory(prefix="launches-") as folder:
        for number in range(wanted.launches):
            way = WAYS[number % len(WAYS)]
            left = left_by(way, Path(folder), number)
            print(
                f"{number + 1}/{wanted.launches} {way.__name__.replace('_', ' ')}: "
                f"{'leaves ' + ', '.join(sorted(left)) if left else 'leaves nothing'}",
                flush=True,
            )
            found += bool(left)
    print(f"launches {wanted.launches}, of which {found} left something")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
