"""What a launch leaves on the machine: files in /dev/shm and open ports, whatever else runs at the same time.

A launch is observed in its own namespaces, where everything belongs to it. If the system lets nobody create namespaces,
only what its processes were seen to hold is looked for: that misses what they had closed before, but never takes other
programs' files and ports for theirs."""

import functools
import os
import re
import subprocess
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# Reports that it is ready, and keeps the namespaces until its standard input ends.
HOLDER = "ip link set lo up && mount -t tmpfs tmpfs /dev/shm && echo ready && exec cat"
AS_USER = [] if os.geteuid() == 0 else ["--user"]
UNSHARE = ["unshare", *AS_USER, *(["--map-root-user"] if AS_USER else []), "--net", "--mount"]


class OwnNamespaces:
    """A network and a /dev/shm only for what command() starts."""

    def __enter__(self):
        self._holder = subprocess.Popen(
            [*UNSHARE, "sh", "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        self.is_there = self._holder.stdout.readline() == b"ready\n"
        return self

    def __exit__(self, *_):
        self._holder.stdin.close()
        self._holder.wait()
        self._holder.stdout.close()

    def command(self, argv):
        """The command, to run in the namespaces without an extra process."""
        keeps = ["--preserve-credentials"] if AS_USER else []
        return ["nsenter", "--target", str(self._holder.pid), *AS_USER, *keeps, "--net", "--mount", *argv]

    def note(self, processes):
        """Nothing to note: everything that is there belongs to the launch."""

    def left(self):
        """Names of the files and ports that are left."""
        root = Path(f"/proc/{self._holder.pid}/root")
        files = {str(SHARED_MEMORY / path.name) for path in (root / "dev/shm").iterdir()}
        return files | {f"port {port}" for port in listening(self._holder.pid).values()}


class SharedMachine:
    """The machine itself: knows only what the noted processes held."""

    is_there = True

    def __enter__(self):
        self._files, self._sockets = set(), set()
        return self

    def __exit__(self, *_):
        pass

    def command(self, argv):
        return list(argv)

    def note(self, processes):
        """Notes what these processes have open or mapped."""
        for pid in processes:
            for name in names_held_by(pid):
                if name.startswith("socket:"):
                    self._sockets.add(name)
                elif Path(name).is_relative_to(SHARED_MEMORY):
                    self._files.add(name)

    def left(self):
        """Names of what is still there: the files, and the same sockets, since another program may take the port."""
        ports = {f"port {port}" for socket, port in listening("self").items() if socket in self._sockets}
        return {name for name in self._files if Path(name).exists()} | ports


def names_held_by(pid):
    """Everything that the process has open or mapped; nothing if it has ended."""
    folder, names = Path(f"/proc/{pid}"), set()
    try:
        names |= set(re.findall(r"^\S+ \S+ \S+ \S+ \d+ +(/.*)$", (folder / "maps").read_text(), re.MULTILINE))
        descriptors = list((folder / "fd").iterdir())
    except OSError:
        return names
    for descriptor in descriptors:
        try:
            names.add(os.readlink(descriptor))
        except OSError:  # closed in the meantime
            continue
    return names


def listening(pid):
    """{name of the socket: port} of all listening sockets in this process's network namespace."""
    sockets = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A":
                sockets[f"socket:[{inode}]"] = int(address.rpartition(":")[2], 16)
    return sockets


def ports_of(pid):
    """The ports on which the process itself listens."""
    held = names_held_by(pid)
    assert held, f"process {pid} is not there"
    return [port for socket, port in listening(pid).items() if socket in held]


@functools.cache
def namespaces_can_be_made():
    with OwnNamespaces() as namespaces:
        return namespaces.is_there


def looked_at():
    """Where to start what is observed: a context with command(), note() and left()."""
    return OwnNamespaces() if namespaces_can_be_made() else SharedMachine()
