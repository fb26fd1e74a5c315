"""The inside of a simulated cluster: one process tree in namespaces of its own, made and removed as a whole.

    rack.py DIRECTORY HOSTS [slurm] [ssh]        (started by cluster.py, as root)

    keeper      outside the rack's pid namespace; waits for init, then removes DIRECTORY
    └─ init     pid 1 of the rack; when it ends, the kernel kills every process of every host
       ├─ head controller   answers the commands on stdin, one JSON reply a line; ends at end of file
       ├─ slurmctld, munged
       └─ n1, n2, ...       pid 1 of a host, in nested namespaces; sshd and slurmd run below it

The owner holds the other end of stdin. However the owner ends, kill -9 included, stdin ends with it, and with stdin all
of this. Nothing is ever looked for by name.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NETWORK = "10.93.0"
HEAD_ADDRESS = f"{NETWORK}.254"
SLURMCTLD_PORT = 6817
START_SECONDS = 45  # a bound for a machine under load, not an expectation: Slurm takes well under 2 s

CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
ALL_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWPID | CLONE_NEWNET
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


def check(status, what):
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(source, target, kind="none", flags=0):
    check(
        libc.mount(str(source).encode(), str(target).encode(), kind.encode(), ctypes.c_ulong(flags), None),
        f"mount {source} on {target}",
    )


def enter_new_namespaces():
    check(libc.unshare(ALL_NAMESPACES), "unshare")


def make_own_mounts(hostname):
    """To be called by pid 1 of new namespaces: what a machine has of its own."""
    socket.sethostname(hostname)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/dev/shm", "tmpfs")


def give_up_on_silent_peers_early():
    """Keepalive says nothing while bytes are under way; the kernel would send those again for a quarter of an hour."""
    Path("/proc/sys/net/ipv4/tcp_retries2").write_text("4")


def ip(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def start_daemon(argv, log):
    with open(log, "ab") as out:
        return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out)


def is_listening(address, port):
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


def reap_forever():
    """What pid 1 owes to orphans of its namespace."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})


class Host:
    """A booted host, as the controller sees it."""

    def __init__(self, directory, number, services):
        self.directory, self.number, self.services = directory, number, services
        self.name = f"n{number}"
        self.pid = None

    def fork(self):
        """Makes the host's pid 1, which then waits for its cable."""
        powered, self._powered = os.pipe()
        self._news, news = os.pipe()
        middle = os.fork()
        if middle == 0:
            # A process does not itself move into the pid namespace it makes: its next child is pid 1 there.
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
            # Its own address on the wire stays when it boots again, or the others would look for the old one for long.
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
        """Kills all of the host at once; returns when nothing of it is left."""
        watch = os.pidfd_open(self.pid)
        os.kill(self.pid, signal.SIGKILL)
        select.select([watch], [], [])  # pid 1 ends after everything else in its namespace
        os.close(watch)
        (self.directory / "pid" / self.name).unlink()
        # The kernel takes the cable away too, but at leisure; the next boot needs its name.
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
                # It leaves for the background once it listens.
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


class Controller:
    """The head: starts everything, then obeys the owner until its end of the pipe is closed."""

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
        # Who looked for the host in vain still gives up on what he sends it now (EHOSTUNREACH, for up to 3 s).
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
        # A slurmd that finds nobody to register with comes back only a second later.
        self._poll(lambda: is_listening(HEAD_ADDRESS, SLURMCTLD_PORT))

    def _wait_until_idle(self):
        wanted = f"idle {len(self.hosts)}"
        sinfo = ["sinfo", "-h", "-o", "%T %D"]
        self._poll(lambda: subprocess.run(sinfo, capture_output=True, text=True).stdout.strip() == wanted)

    def _poll(self, is_so):
        """Slurm gives no news of its state, so it is asked until it is as it should be."""
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
    """pid 1 of the rack: collects orphans, and ends when the controller ends."""
    controller = os.fork()
    if controller == 0:
        control(directory, hosts, services)
    while os.wait()[0] != controller:
        pass
    os._exit(0)


def main():
    directory, hosts, services = Path(sys.argv[1]), int(sys.argv[2]), set(sys.argv[3:])
    proc = os.open("/proc", os.O_RDONLY)  # the controller soon mounts its own over it, for this process too
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
