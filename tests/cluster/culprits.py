"""Does `lockstep why` name the right culprit? Faults of each class, on 2, 4 and 8 ranks; prints the confusion matrix.

    python -m tests.cluster.culprits [--ranks 2 4 8] [--times 3] [--faults stopped ...]       as root
    python -m tests.cluster.culprits --clean 3600                  an hour without a fault: counts the alarms

A run on simulated hosts trains until it has a pace, a fault is planted in a rank that is drawn by chance, and `lockstep
why` is asked until it names somebody. Right is what names the class and the rank (of a link: a host at its end).
"""

import argparse
import collections
import contextlib
import errno
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.cluster.launched import CONFIG, PROGRAMS, REPOSITORY
from tests.support.cluster import Cluster
from tests.support.image_files import tree, write_folder

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
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20

# Holds back who opens a file of the folders: arguments are the process, and the folders. It lets all others go on.
HOLD_OPENS = """
import ctypes, os, struct, sys
CONTENT, OPEN_PERM, ON_CHILD, ADD, ALLOW = 4, 0x10000, 0x08000000, 1, 1
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.fanotify_init(CONTENT, os.O_RDONLY)
for folder in sys.argv[2:]:
    if libc.fanotify_mark(fd, ADD, ctypes.c_uint64(OPEN_PERM | ON_CHILD), -1, folder.encode()) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
print(flush=True)
while True:
    events = os.read(fd, 65536)
    while events:
        length, _, _, _, _, file, pid = struct.unpack("IBBHQii", events[:24])
        events = events[length:]
        if pid != int(sys.argv[1]):
            os.write(fd, struct.pack("iI", file, ALLOW))
            os.close(file)
"""
# Fills a control group until the kernel has killed for it. Arguments are the group, and its file that counts such
# kills. The kernel gives up the pages of files first, so how much it takes is not known.
FILL_MEMORY = f"""
import os, sys, time
count, taken = os.open(sys.argv[2], os.O_RDONLY), []
before = os.pread(count, 4096, 0).split(b"oom_kill ")[1]
open(sys.argv[1] + "/cgroup.procs", "w").write(str(os.getpid()))
while os.pread(count, 4096, 0).split(b"oom_kill ")[1] == before:
    taken.append(b"x" * {MIB // 4})
print(flush=True)
time.sleep(3600)
"""


class Run:
    """A training that goes on for ever on `ranks` simulated hosts or, beyond four ranks, on half as many."""

    def __init__(self, cluster, ranks, folder, settings, wrapper=()):
        hosts = len(cluster.host_names)
        self.cluster, self.ranks, self.folder, self.settings = cluster, ranks, folder, settings
        self.placement = [ranks // hosts] * hosts
        options = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        argv = [*wrapper, PROGRAMS / "lockstep-worker", CONFIG, *options, "--output", folder]
        command = cluster.mpirun_command(argv, self.placement, flags=("-x", "LOCKSTEP_PROGRESS"))
        # Over a link that is as slow as this, mpirun's own probes may be late.
        command[command.index("oob_tcp_keepalive_probes") + 1] = "30"
        self.process = cluster.start("head", command, cwd=REPOSITORY, timeout=7200, env={"LOCKSTEP_PROGRESS": "json"})

    def lines(self):
        """As they come; it must not end."""
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
        """The warnings of so many seconds."""
        end, warnings = time.monotonic() + seconds, []
        for line in self.lines():
            if line.startswith(("warning:", "error:")):
                warnings.append(line.strip())
            if time.monotonic() > end:
                return warnings

    def host_of(self, rank):
        return self.cluster.host_names[rank // self.placement[0]]

    def process_of(self, rank):
        """As this process numbers it."""
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


@contextlib.contextmanager
def dead(run, rank):
    os.kill(run.process_of(rank), signal.SIGKILL)
    yield


@contextlib.contextmanager
def stopped(run, rank):
    os.kill(run.process_of(rank), signal.SIGSTOP)
    yield


@contextlib.contextmanager
def stuck(run, rank):
    """The main thread alone stands still, as in a call that does not return."""
    hold = (
        f"import ctypes, time; libc, pid = ctypes.CDLL(None), {run.process_of(rank)}\n"
        f"assert libc.ptrace({PTRACE_SEIZE}, pid, None, None) == 0\n"
        f"assert libc.ptrace({PTRACE_INTERRUPT}, pid, None, None) == 0\n"
        "print(flush=True); time.sleep(3600)"
    )
    with holding(hold):  # with that program gone, the thread goes on
        yield


@contextlib.contextmanager
def slow_compute(run, rank):
    """Other programs leave the rank a twentieth of what each other rank has of a core."""
    cores = sorted(os.sched_getaffinity(0))
    for other in range(run.ranks):
        confine(run.process_of(other), cores[-1:] if other == rank else cores[:-1])
    spin = ["taskset", "-c", str(cores[-1]), *python("while True: pass")]
    real_time = ["chrt", "-f", "1", *spin]  # the kernel keeps 5 % from it
    ranks_per_core = max(1, (run.ranks - 1) // (len(cores) - 1))
    with contextlib.ExitStack() as ends:
        for command in [real_time, *[spin] * (ranks_per_core - 1)]:
            ends.enter_context(beside(command))
        yield


def confine(pid, cores):
    for task in (Path("/proc") / str(pid) / "task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), cores)


@contextlib.contextmanager
def slow_link(run, rank):
    """Both directions of its host's cable carry 2 Mbit/s."""
    host = run.host_of(rank)
    shape = ["root", "tbf", "rate", "2mbit", "burst", "16kb", "latency", "300ms"]
    for place, device in ((host, "eth0"), ("head", f"v{host[1:]}")):
        outcome = run.cluster.run(place, ["tc", "qdisc", "add", "dev", device, *shape])
        if outcome.exit_code != 0:
            raise RuntimeError(outcome.output)
    yield


@contextlib.contextmanager
def from_files(folder):
    """Each image is read from its own file whenever it is needed."""
    data = write_folder(folder / "data", tree(train=512, test=64))
    yield {"data.path": data, "data.cache_gib": 0, "data.train_samples": 512}, []


@contextlib.contextmanager
def hanging_files(run, rank):
    """The rank does not come back from opening an image, as on a file system whose server is gone."""
    folders = (Path(run.settings["data.path"]) / "train").iterdir()
    with holding(HOLD_OPENS, run.process_of(rank), *folders):
        yield


@contextlib.contextmanager
def in_memory_groups(folder):
    """Each rank begins in a control group of its own, so that its memory counts there."""
    if (CONTROL_GROUPS / "cgroup.controllers").exists():
        (CONTROL_GROUPS / "cgroup.subtree_control").write_text("+memory")
    within = CONTROL_GROUPS / "memory" if (CONTROL_GROUPS / "memory").exists() else CONTROL_GROUPS
    name = f"lockstep-{os.getpid()}"
    try:
        yield (
            {},
            [
                "sh",
                "-c",
                f'group={within}/{name}-$OMPI_COMM_WORLD_RANK; mkdir "$group" && '
                'echo $$ > "$group/cgroup.procs" && exec "$@"',
                "sh",
            ],
        )
    finally:
        for group in within.glob(f"{name}-*"):
            remove_group(group)


def remove_group(group):
    """The kernel keeps a group for a moment after the last process has ended."""
    end = time.monotonic() + GIVE_UP_SECONDS
    while True:
        try:
            return group.rmdir()
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > end:
                raise
        time.sleep(0.01)


@contextlib.contextmanager
def out_of_memory(run, rank):
    """Another process takes what is left of the memory, and the kernel ends the rank."""
    pid = run.process_of(rank)
    group, usage, limit, kills = memory_group_of(pid)
    # Where a killed rank is slow to give its memory back, the kernel goes on: with what fills it, and nothing else.
    (group.parent / "cgroup.procs").write_text(str(parent_of(pid)))
    limit.write_text(str(int(usage.read_text()) + 8 * MIB))
    (Path("/proc") / str(pid) / "oom_score_adj").write_text("1000")
    with beside(python(FILL_MEMORY, group, kills)) as filler:
        filler.stdout.readline()  # it says a line, or is killed too
        yield


def parent_of(pid):
    return int((Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])


def memory_group_of(pid):
    """(the folder of its memory's control group, its files of what is used, of what may be, and of the kills)"""
    lines = (Path("/proc") / str(pid) / "cgroup").read_text().splitlines()
    files = ["memory.current", "memory.max", "memory.events"]
    group = CONTROL_GROUPS / lines[-1].split(":", 2)[2][1:]
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "memory":
            group = CONTROL_GROUPS / "memory" / path[1:]
            files = ["memory.usage_in_bytes", "memory.limit_in_bytes", "memory.oom_control"]
    return group, *(group / file for file in files)


def python(text, *arguments):
    return [sys.executable, "-c", text, *map(str, arguments)]


@contextlib.contextmanager
def holding(text, *arguments):
    """A Python program that says a line once it has planted what it holds."""
    with beside(python(text, *arguments)) as holder:
        if not holder.stdout.readline():
            raise RuntimeError("the fault cannot be planted")
        yield


@contextlib.contextmanager
def beside(command):
    """A program that is there until the end of the `with` block."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def as_it_is(folder):
    yield {}, []


class Fault(NamedTuple):
    plant: Callable
    trouble: str  # as it is to be named
    words: str = ""  # that the finding must have
    prepare: Callable = as_it_is  # settings of the run, and what its program is started with


FAULTS = {
    "dead": Fault(dead, "dead"),
    "stopped": Fault(stopped, "stopped"),
    "stuck": Fault(stuck, "stuck"),
    "stuck in data": Fault(hanging_files, "stuck", "waiting for a disk or a file system", from_files),
    "out of memory": Fault(out_of_memory, "out of memory", prepare=in_memory_groups),
    "slow compute": Fault(slow_compute, "slow compute"),
    "slow link": Fault(slow_link, "slow link"),
}


def is_right(run, fault, rank, finding):
    if finding["trouble"] != fault.trouble or fault.words not in finding["text"]:
        return False
    if fault.trouble == "slow link":
        return run.host_of(rank) in finding["host"].split(" and ")
    return finding["ranks"] == [rank] and finding["host"] == run.host_of(rank)


def try_fault(name, ranks, draw):
    """(the trouble that was named, the words if it was not the right one at the right place, seconds until then)"""
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
