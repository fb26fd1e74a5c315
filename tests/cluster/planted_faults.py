"""The faults that culprits.py plants in a rank: each is a context manager, and lasts as long as its block."""

import contextlib
import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.image_files import tree, write_folder

GIVE_UP_SECONDS = 30
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
CONTROL_GROUPS = Path("/sys/fs/cgroup")
MIB = 1 << 20

# Blocks the process in the first argument when it opens a file in the folders of the other arguments. Other processes
# go on.
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
# Fills a control group's memory until the kernel kills a process in it. Arguments: the group, and its file that counts
# such kills. The kernel first frees page cache, so the amount that is needed is not known.
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
    """Stops only the main thread, as a call that does not return would."""
    hold = (
        f"import ctypes, time; libc, pid = ctypes.CDLL(None), {run.process_of(rank)}\n"
        f"assert libc.ptrace({PTRACE_SEIZE}, pid, None, None) == 0\n"
        f"assert libc.ptrace({PTRACE_INTERRUPT}, pid, None, None) == 0\n"
        "print(flush=True); time.sleep(3600)"
    )
    with holding(hold):  # once that program has ended, the thread goes on
        yield


@contextlib.contextmanager
def slow_compute(run, rank):
    """Other programs leave the rank a twentieth of the CPU time that each other rank has."""
    cores = sorted(os.sched_getaffinity(0))
    for other in range(run.ranks):
        confine(run.process_of(other), cores[-1:] if other == rank else cores[:-1])
    spin = ["taskset", "-c", str(cores[-1]), *python("while True: pass")]
    real_time = ["chrt", "-f", "1", *spin]  # the kernel keeps 5 % of the time from it
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
    """The rank hangs while it opens an image, as on a file system whose server is gone."""
    folders = (Path(run.settings["data.path"]) / "train").iterdir()
    with holding(HOLD_OPENS, run.process_of(rank), *folders):
        yield


@contextlib.contextmanager
def in_memory_groups(folder):
    """Starts each rank in its own control group, so that its memory is counted there."""
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
    """Another process takes the remaining memory, and the kernel kills the rank."""
    pid = run.process_of(rank)
    group, usage, limit, kills = memory_group_of(pid)
    # If a killed rank is slow to free its memory, the kernel kills more: then only the process that fills the memory.
    (group.parent / "cgroup.procs").write_text(str(parent_of(pid)))
    limit.write_text(str(int(usage.read_text()) + 8 * MIB))
    (Path("/proc") / str(pid) / "oom_score_adj").write_text("1000")
    with beside(python(FILL_MEMORY, group, kills)) as filler:
        filler.stdout.readline()  # it prints a line, or is killed too
        yield


def parent_of(pid):
    return int((Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()[1])


def memory_group_of(pid):
    """(the folder of the process's memory control group, its files with the usage, the limit and the number of
    kills)"""
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
    """Runs a Python program that prints a line once it has planted the fault."""
    with beside(python(text, *arguments)) as holder:
        if not holder.stdout.readline():
            raise RuntimeError("the fault cannot be planted")
        yield


@contextlib.contextmanager
def beside(command):
    """Runs a program until the end of the `with` block."""
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
    trouble: str  # that `lockstep why` must name
    words: str = ""  # that the finding must contain
    prepare: Callable = as_it_is  # settings of the run, and the words in front of its program


FAULTS = {
    "dead": Fault(dead, "dead"),
    "stopped": Fault(stopped, "stopped"),
    "stuck": Fault(stuck, "stuck"),
    "stuck in data": Fault(hanging_files, "stuck", "waiting for a disk or a file system", from_files),
    "out of memory": Fault(out_of_memory, "out of memory", prepare=in_memory_groups),
    "slow compute": Fault(slow_compute, "slow compute"),
    "slow link": Fault(slow_link, "slow link"),
}
