"""A host of a simulated cluster, which the rack's controller boots and crashes."""

import os
import select
import signal
import subprocess
import sys

from tests.support.namespaces import (
    enter_new_namespaces,
    give_up_on_silent_peers_early,
    ip,
    make_own_mounts,
    reap_forever,
)

NETWORK = "10.93.0"


def start_daemon(argv, log):
    with open(log, "ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


class Host:
    """A booted host, as the controller sees it."""

    def __init__(self, directory, number, services):
        self.directory, self.number, self.services = directory, number, services
        self.name = f"n{number}"
        self.pid = None

    def fork(self):
        """Creates the host's pid 1, which then waits for power_on()."""
        powered, self._powered = os.pipe()
        self._news, news = os.pipe()
        middle = os.fork()
        if middle == 0:
            # A process does not itself enter the pid namespace that it makes: its next child is pid 1 there.
            try:
                enter_new_namespaces()
                pid = os.fork()
                if pid == 0:
                    os.close(self._powered)
                    self._main(powered, news)
                os.write(news, f"{pid}\n".encode())
            finally:
                os._exit(0)
        os.close(powered)
        os.close(news)
        os.waitpid(middle, 0)
        self.pid = int(self._read_news())

    def connect(self):
        """Lines for `ip` that plug the host into the switch."""
        return [
            # The MAC address stays the same across boots; otherwise the other hosts would use the old one for long.
            f"link add v{self.number} type veth "
            f"peer name eth0 address 02:93:00:00:00:{self.number:02x} netns {self.pid}",
            f"link set v{self.number} master br0 up",
        ]

    def power_on(self):
        os.write(self._powered, b"1")
        os.close(self._powered)

    def wait_until_up(self):
        if self._read_news() != "up":
            raise RuntimeError(f"{self.name} did not come up")
        os.close(self._news)
        (self.directory / "pid" / self.name).write_text(f"{self.pid}\n")

    def crash(self):
        """Kills the whole host at once; returns once nothing of it is left."""
        watch = os.pidfd_open(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        select.select([watch], [], [])  # pid 1 ends after all other processes of its namespace
        os.close(watch)
        (self.directory / "pid" / self.name).unlink()
        # The kernel removes the cable too, but with a delay; the next boot needs its name.
        subprocess.run(["ip", "link", "del", f"v{self.number}"], stderr=subprocess.DEVNULL)
        self.pid = None

    def describe(self):
        return {"pid": self.pid, "pid_namespace": os.readlink(f"/proc/{self.pid}/ns/pid")}

    def _read_news(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = os.read(self._news, 1)
            if not byte:
                raise RuntimeError(f"{self.name} ended while it was booting")
            line += byte
        return line.decode().strip()

    def _main(self, powered, news):
        try:
            make_own_mounts(self.name)
            if not os.read(powered, 1):
                os._exit(1)
            ip(
                [
                    "link set lo up",
                    f"address add {NETWORK}.{self.number}/24 dev eth0",
                    "link set eth0 up",
                ]
            )
            give_up_on_silent_peers_early()
            log = self.directory / "log" / self.name
            os.environ["TMPDIR"] = str(self.directory / "tmp" / self.name)
            if "ssh" in self.services:
                # sshd goes to the background once it listens.
                inside = f"SetEnv=TMPDIR={os.environ['TMPDIR']} SLURM_CONF={os.environ['SLURM_CONF']}"
                command = ["/usr/sbin/sshd", "-f", self.directory / "sshd_config", "-E", log, "-o", inside]
                subprocess.run(command, check=True)
            if "slurm" in self.services:
                slurmd = start_daemon(["slurmd", "-D", "-N", self.name], log)  # noqa: F841 (keeps it referenced)
            os.write(news, b"up\n")
            os.close(news)
            reap_forever()
        except BaseException as error:
            print(f"{self.name}: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
