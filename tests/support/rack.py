"""The inside of a simulated cluster: one process tree in its own namespaces, created and removed as a whole.

    python -m tests.support.rack DIRECTORY HOSTS [slurm] [ssh]        (started by cluster.py, as root)

    keeper      outside the rack's pid namespace; waits for init, then removes DIRECTORY
    └─ init     pid 1 of the rack; when it ends, the kernel kills every process of every host
       ├─ head controller   answers the commands on stdin, one JSON reply a line; ends at end of file
       ├─ slurmctld, munged
       └─ n1, n2, ...       pid 1 of a host, in nested namespaces; sshd and slurmd run below it

The owner holds the other end of stdin. However the owner ends, kill -9 included, stdin is closed, and all of this ends.
No process is ever looked up by name.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.support.namespaces import (
    MS_BIND,
    PR_SET_PDEATHSIG,
    enter_new_namespaces,
    give_up_on_silent_peers_early,
    ip,
    libc,
    make_own_mounts,
    mount,
)
from tests.support.rack_host import NETWORK, Host, start_daemon

HEAD_ADDRESS = f"{NETWORK}.254"
SLURMCTLD_PORT = 6817
START_SECONDS = 45  # an upper bound for a machine under load; usually Slurm takes well under 2 s


def is_listening(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


class Controller:
    """The head: starts everything, then serves the owner's commands until the owner closes its end of the pipe."""

    def __init__(self, directory, hosts, services):
        self.directory, self.services = directory, services
        self.hosts = {f"n{i}": Host(directory, i, services) for i in range(1, hosts + 1)}

    def start(self):
        make_own_mounts("head")
        mount("tmpfs", "/run", "tmpfs")
        mount(self.directory / "hosts", "/etc/hosts", flags=MS_BIND)
        ip(
            [
                "link set lo up",
                "link add br0 type bridge",
                f"address add {HEAD_ADDRESS}/24 dev br0",
                "link set br0 up",
            ]
        )
        give_up_on_silent_peers_early()
        if "ssh" in self.services:
            os.mkdir("/run/sshd", 0o755)
            mount(self.directory / "ssh_config", "/etc/ssh/ssh_config", flags=MS_BIND)
        if "slurm" in self.services:
            self._start_slurm()
        self._boot(self.hosts.values())
        if "slurm" in self.services:
            self._wait_until_idle()
        return {name: host.describe() for name, host in self.hosts.items()}

    def serve(self):
        for line in sys.stdin:
            verb, name = line.split()
            try:
                answer = {"ok": getattr(self, f"do_{verb}")(self.hosts[name])}
            except Exception as error:
                answer = {"error": repr(error)}
            reply(answer)

    def do_boot(self, host):
        self._boot([host])
        return host.describe()

    def do_crash(self, host):
        host.crash()

    def do_cut(self, host):
        ip([f"link set v{host.number} down"])

    def do_mend(self, host):
        ip([f"link set v{host.number} up"])
        # A peer that has looked for the host in vain still fails to send to it (EHOSTUNREACH, for up to 3 s).
        for pid in [os.getpid(), *(each.pid for each in self.hosts.values() if each.pid)]:
            subprocess.run(
                [
                    "nsenter",
                    "--target",
                    str(pid),
                    "--net",
                    "ip",
                    "neighbour",
                    "flush",
                    "nud",
                    "failed",
                    "nud",
                    "incomplete",
                ],
                check=True,
            )

    def _boot(self, hosts):
        for host in hosts:
            host.fork()
        ip([line for host in hosts for line in host.connect()])
        for host in hosts:
            host.power_on()
        for host in hosts:
            host.wait_until_up()

    def _start_slurm(self):
        munge = self.directory / "munge"
        os.mkdir("/run/munge", 0o755)
        subprocess.run(
            [
                "munged",
                f"--key-file={munge}/key",
                f"--pid-file={munge}/pid",
                f"--log-file={munge}/log",
                f"--seed-file={munge}/seed",
            ],
            check=True,
        )
        self.slurmctld = start_daemon(["slurmctld", "-D"], self.directory / "log" / "slurmctld")
        # A slurmd that finds no controller to register with retries only a second later.
        self._poll(lambda: is_listening(HEAD_ADDRESS, SLURMCTLD_PORT))

    def _wait_until_idle(self):
        wanted = f"idle {len(self.hosts)}"
        sinfo = ["sinfo", "-h", "-o", "%T %D"]
        self._poll(lambda: subprocess.run(sinfo, capture_output=True, text=True).stdout.strip() == wanted)

    def _poll(self, is_so):
        """Asks until `is_so`, since Slurm does not notify of changes. Raises RuntimeError after START_SECONDS."""
        deadline = time.monotonic() + START_SECONDS
        while not is_so():
            if self.slurmctld.poll() is not None or time.monotonic() > deadline:
                logs = sorted((self.directory / "log").iterdir())
                raise RuntimeError("Slurm did not start\n" + "\n".join(log.read_text()[-2000:] for log in logs))
            time.sleep(0.005)


def reply(answer):
    print(json.dumps(answer), flush=True)


def control(directory, hosts, services):
    try:
        controller = Controller(directory, hosts, services)
        reply({"ok": controller.start()})
        controller.serve()
    except BaseException as error:
        reply({"error": str(error)})
    finally:
        os._exit(0)


def init(directory, hosts, services):
    """pid 1 of the rack: reaps orphans, and ends when the controller ends."""
    controller = os.fork()
    if controller == 0:
        control(directory, hosts, services)
    while os.wait()[0] != controller:
        pass
    os._exit(0)


def main():
    directory, hosts, services = Path(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])
    proc = os.open("/proc", os.O_RDONLY)  # the controller soon mounts its own over it, which this process would see too
    try:
        enter_new_namespaces()
        pid = os.fork()
        if pid == 0:
            libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            init(directory, hosts, services)
        reply({"ok": {"pid": pid, "pid_namespace": os.readlink(f"{pid}/ns/pid", dir_fd=proc)}})
        os.waitpid(pid, 0)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
