"""Does `lockstep why` name the right culprit? Injects faults of each class on 2, 4 and 8 ranks; prints the confusion
matrix.

    python -m tests.cluster.culprits [--ranks 2 4 8] [--times 3] [--faults stopped ...]       as root
    python -m tests.cluster.culprits --clean 3600                  an hour without a fault: counts the alarms

A run on simulated hosts trains until its usual step time is known. Then a fault is planted in a random rank, and
`lockstep why` is asked until it names a culprit. It must name the class of the fault and the rank (for a link: the host
at either end).
"""

import argparse
import collections
import contextlib
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.cluster.launched import CONFIG, PROGRAMS, REPOSITORY
from tests.cluster.planted_faults import FAULTS
from tests.support.cluster import Cluster

SETTINGS = {
    "data.train_samples": 1024,
    "data.test_samples": 64,
    "training.batch_size": 64,
    "training.micro_batch_size": 4,
    "training.epochs": 100000,
    "checkpoint.every_epochs": 0,
    "training.evaluate_every_epochs": 0,
    "training.log_every_steps": 1,
    "distributed.pin_to_cores": "false",
    "reliability.hang_timeout_seconds": 0,
    "model.name": "resnet20",
    "augmentation.crop_padding": 0,
}
STEPS_FOR_A_PACE = 48
GIVE_UP_SECONDS = 30


class Run:
    """A training without an end on `ranks` simulated hosts, or on four hosts if there are more ranks."""

    def __init__(self, cluster, ranks, folder, settings, wrapper=()):
        hosts = len(cluster.host_names)
        self.cluster, self.ranks, self.folder, self.settings = cluster, ranks, folder, settings
        self.placement = [ranks // hosts] * hosts
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        argv = [*wrapper, PROGRAMS / "lockstep-worker", CONFIG, *options, "--output", folder]
        command = cluster.mpirun_command(argv, self.placement, flags=("-x", "LOCKSTEP_PROGRESS"))
        # Over a link this slow, mpirun's own probes may arrive late.
        command[command.index("oob_tcp_keepalive_probes") + 1] = "30"
        self.process = cluster.start("head", command, cwd=REPOSITORY, timeout=7200, env={"LOCKSTEP_PROGRESS": "json"})

    def lines(self):
        """The lines of standard output as they arrive; the run must not end."""
        lines = collections.deque(maxlen=20)
        for line in self.process.stdout:
            lines.append(line)
            yield line
        raise RuntimeError("the run ended\n" + "".join(lines))

    def wait_for_steps(self, count):
        for line in self.lines():
            if '"event":"step"' in line and json.loads(line)["step"] >= count:
                return

    def follow(self, seconds):
        """The warnings of the next `seconds` seconds."""
        end, warnings = time.monotonic() + seconds, []
        for line in self.lines():
            if line.startswith(("warning:", "error:")):
                warnings.append(line.strip())
            if time.monotonic() > end:
                return warnings

    def host_of(self, rank):
        return self.cluster.host_names[rank // self.placement[0]]

    def process_of(self, rank):
        """The rank's process id, in this process's pid namespace."""
        for pid in self.cluster.process_ids():
            with contextlib.suppress(OSError):
                folder = Path("/proc") / str(pid)
                words = (folder / "environ").read_bytes().split(b"\0")
                if (
                    folder / "comm"
                ).read_text() == "lockstep-worker\n" and f"OMPI_COMM_WORLD_RANK={rank}".encode() in words:
                    return pid
        raise RuntimeError(f"rank {rank} is not there")

    def why(self):
        done = subprocess.run([PROGRAMS / "lockstep", "why", self.folder], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)


def is_right(run, fault, rank, finding):
    if finding["trouble"] != fault.trouble or fault.words not in finding["text"]:
        return False
    if fault.trouble == "slow link":
        return run.host_of(rank) in finding["host"].split(" and ")
    return finding["ranks"] == [rank] and finding["host"] == run.host_of(rank)


def try_fault(name, ranks, draw):
    """(the trouble that was named, the message if trouble or place were wrong, seconds until then)"""
    fault, rank = FAULTS[name], draw.randrange(ranks)
    with (
        tempfile.TemporaryDirectory() as folder,
        fault.prepare(Path(folder)) as (settings, wrapper),
        Cluster(hosts=min(ranks, 4)) as cluster,
    ):
        run = Run(cluster, ranks, Path(folder) / "run", SETTINGS | settings, wrapper)
        run.wait_for_steps(STEPS_FOR_A_PACE)
        begin = time.monotonic()
        with fault.plant(run, rank):
            while time.monotonic() - begin < GIVE_UP_SECONDS:
                findings = run.why()["findings"]
                if findings:
                    break
        seconds = time.monotonic() - begin
    with run.process:
        run.process.kill()
    if not findings:
        return "nothing", f"nothing, rank {rank}", seconds
    right = is_right(run, fault, rank, findings[0])
    return findings[0]["trouble"], "" if right else f"{findings[0]['text']}, not rank {rank}", seconds


def count_alarms(seconds, ranks):
    with tempfile.TemporaryDirectory() as folder, Cluster(hosts=min(ranks, 4)) as cluster:
        run = Run(cluster, ranks, Path(folder) / "run", SETTINGS)
        alarms = run.follow(seconds)
        step = run.why()["ranks"][0]["step"]
        with run.process:
            run.process.kill()
    print(f"{len(alarms)} alarms in {seconds} s and {step} steps on {ranks} ranks", *alarms, sep="\n")
    return len(alarms)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4, 8])
    parser.add_argument("--times", type=int, default=3, help="of each fault on each number of ranks (3)")
    parser.add_argument("--faults", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--clean", type=float, metavar="SECONDS", help="no fault: count the alarms of so long a run")
    options = parser.parse_args()
    if options.clean:
        return min(1, count_alarms(options.clean, options.ranks[0]))
    draw, named, right, took = random.Random(options.seed), collections.Counter(), 0, []
    for fault in options.faults:
        for ranks in options.ranks:
            for _ in range(options.times):
                what, wrong, seconds = try_fault(fault, ranks, draw)
                named[fault, what] += 1
                right += not wrong
                took.append(seconds)
                said = f"{what} (WRONG: {wrong})" if wrong else what
                print(f"{fault} on {ranks} ranks: {said} after {seconds:.1f} s", flush=True)
    columns = sorted({what for _, what in named})
    print(f"\n{'planted':14}" + "".join(f"{column:>14}" for column in columns))
    for fault in options.faults:
        print(f"{fault:14}" + "".join(f"{named[fault, column]:14}" for column in columns))
    print(f"\n{right} of {len(took)} right ({right / len(took):.0%}), median {statistics.median(took):.1f} s")
    return 0 if right >= 0.98 * len(took) else 1


if __name__ == "__main__":
    sys.exit(main())
