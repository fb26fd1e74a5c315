"""What a launch leaves on the machine, files in /dev/shm and open ports, whatever else runs there at the same time.

A launch is looked at in namespaces of its own, where all that is there is its. Where the system lets nobody make any,
only what its processes had is looked for again: that overlooks what they had closed before, but takes nothing for
theirs that others open."""

import functools
import os
import re
import subprocess
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# Says that it is ready, and keeps the namespaces until its standard input ends.
HOLDER = "ip link set lo up && mount -t tmpfs tmpfs /dev/shm && echo ready && exec cat"
AS_USER = [] if os.geteuid() == 0 else ["--user"]
UNSHARE = ["unshare", *AS_USER, *(["--map-root-user"] if AS_USER else []), "--net", "--mount"]


class OwnNamespaces:
    """A network and a /dev/shm for what command() starts; nobody else sees them."""

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
        """The command in the namespaces, as one and the same process."""
        keeps = ["--preserve-credentials"] if AS_USER else []
        return ["nsenter", "--target", str(self._holder.pid), *AS_USER, *keeps, "--net", "--mount", *argv]

    def note(self, processes):
        """All that is there is theirs."""

    def left(self):
        """Names of the files and ports that are there."""
        root = Path(f"/proc/{self._holder.pid}/root")
        files = {str(SHARED_MEMORY / path.name) for path in (root / "dev/shm").iterdir()}
        return files | {f"port {port}" for port in listening(self._holder.pid).values()}


class SharedMachine:
    """The machine as it is: knows only what noted processes had."""

    is_there = True

    def __enter__(self):
        self._files, self._sockets = set(), set()
        return self

    def __exit__(self, *_):
        pass

    def command(self, argv):
        return list(argv)

    def note(self, processes):
        """What these have open, or in their memory."""
        for pid in processes:
            for name in names_held_by(pid):
                if name.startswith("socket:"):
                    self._sockets.add(name)
                elif Path(name).is_relative_to(SHARED_MEMORY):
                    self._files.add(name)

    def left(self):
        """Names of those that are still there: the files, and the very sockets, as another may take the port."""
        ports = {f"port {port}" for socket, port in listening("self").items() if socket in self._sockets}
        return {name for name in self._files if Path(name).exists()} | ports


def names_held_by(pid):
    """Of all that the process has open or mapped; none of one that has ended."""
    folder, names = Path(f"/proc/{pid}"), set()
    try:
        names |= set(re.findall(r"^\S+ \S+ \S+ \S+ \d+ +(/.*)$", (folder / "maps").read_text(), re.MULTILINE))
        descriptors = list((folder / "fd").iterdir())
    except OSError:
        return names
    for descriptor in descriptors:
        try:
            names.add(os.readlink(descriptor))
        except OSError:  # it is closed meanwhile
            continue
    return names


def listening(pid):
    """{name of the socket: port} of all that is listened on in the network of this process."""
    sockets = {}
    for name in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{name}").read_text().splitlines()[1:]:
            _, address, _, state, *_, inode = line.split()[:10]
            if state == "0A":
                sockets[f"socket:[{inode}]"] = int(address.rpartition(":")[2], 16)
    return sockets


def ports_of(pid):
    """The ports on which the process itself waits for connections."""
    held = names_held_by(pid)
    assert held, f"process {pid} is not there"
    return [port for socket, port in listening(pid).items() if socket in held]


@functools.cache
def namespaces_can_be_made():
    with OwnNamespaces() as namespaces:
        return namespaces.is_there


def looked_at():
    """Where to start what is looked at: a context with command(), note() and left()."""
    return OwnNamespaces() if namespaces_can_be_made() else SharedMachine()
