"""A cluster of simulated hosts on this machine, for tests: see Cluster.

Each host has its own network, host name, process ids, /dev/shm and cable; files are shared by all, like a cluster's
shared file system. rack.py is the part that runs inside.
"""

import json
import os
import select
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from tests.support.cluster_files import write_files
from tests.support.rack_host import NETWORK

REPOSITORY = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 60  # longer than the rack allows Slurm for its start, so that the rack's own message is reported


class Outcome(NamedTuple):
    exit_code: int
    output: str  # stdout and stderr, in the order in which they were written
    seconds: float


def what_is_missing(slurm=False, ssh=False):
    """Why a Cluster cannot be made on this machine, as text; None if it can."""
    programs = {"ip": "iproute2", "nsenter": "util-linux", "mpirun": "openmpi-bin"}
    if slurm:
        programs |= {"slurmctld": "slurm-wlm", "slurmd": "slurm-wlm", "srun": "slurm-wlm", "munged": "munge"}
    if ssh:
        programs |= {"/usr/sbin/sshd": "openssh-server", "ssh-keygen": "openssh-client"}
    packages = sorted({package for program, package in programs.items() if not shutil.which(program, path=_path())})
    if packages:
        return f"simulated hosts need the Debian packages {' '.join(packages)}"
    if os.geteuid() != 0:
        return "simulated hosts need root (to make network and mount namespaces); run the tests as root or with sudo"
    trial = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "true"], capture_output=True, text=True)
    if trial.returncode != 0:
        return f"simulated hosts need namespaces, which this machine does not allow ({trial.stderr.strip()})"
    return None


class Cluster:
    """`hosts` hosts n1, n2, ... and a head, joined by a switch, for as long as the `with` block or this process lives.

    slurm: munge, slurmctld on the head and slurmd on each host; all hosts are idle when the block begins. ssh: an sshd
    on each host, which accepts root from any host. Several clusters can exist at the same time. Everything ends with
    the rack's first process, which ends with this object, or with this process however it ends.
    """

    def __init__(self, hosts=3, slurm=False, ssh=False):
        self.host_names = [f"n{i}" for i in range(1, hosts + 1)]
        self._services = ["slurm"] * slurm + ["ssh"] * ssh
        self._rack = None

    def __enter__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="rack-"))
        begin = time.monotonic()
        try:
            write_files(self.directory, self.host_names, self._services)
            self._rack = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.support.rack",
                    self.directory,
                    str(len(self.host_names)),
                    *self._services,
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=self._environment("head", {}),
                cwd=REPOSITORY,
                start_new_session=True,
            )
            rack = self._read_reply()
            self.pid = rack["pid"]
            self._hosts = self._read_reply()
            self._pid_namespaces = {rack["pid_namespace"]} | {h["pid_namespace"] for h in self._hosts.values()}
        except BaseException:
            self.close()
            raise
        self.start_seconds = time.monotonic() - begin
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Returns once no process of the cluster is left and its files are removed."""
        if self._rack:
            self._rack.stdin.close()
            self._rack.wait()
            self._rack.stdout.close()
            self._rack = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, host, argv, *, env=None, cwd=None, timeout=60, **popen):
        """Starts a command on a host ("head", "n1", ...) and returns its Popen, with stdout and stderr in one text
        pipe.

        After `timeout` seconds it gets SIGTERM, two seconds later SIGKILL (exit code 124 or 137).
        """
        entrance = ["nsenter", "--net", "--uts", "--mount", "--pid", "--ipc", "--target"]
        command = [*entrance, str(self.pid), "--"]
        if host != "head":
            command += [*entrance, str(self._hosts[host]["pid"]), "--"]
        # Entering a mount namespace changes to its root, so the working directory is set after it.
        command += ["env", "-C", str(cwd or os.getcwd()), "timeout", "--kill-after=2", str(timeout)]
        command += [str(argument) for argument in argv]
        popen = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | popen
        return subprocess.Popen(command, text=True, errors="replace", env=self._environment(host, env), **popen)

    def run(self, host, argv, *, timeout=60, **start):
        """Like start(), but waits for the end. Raises TimeoutError, with the output so far, when the time is up."""
        begin = time.monotonic()
        with self.start(host, argv, timeout=timeout, **start) as process:
            output, _ = process.communicate()
        seconds = time.monotonic() - begin
        if seconds >= timeout:
            raise TimeoutError(f"{shlex.join(map(str, argv))} on {host} ran for over {timeout} s:\n{output}")
        return Outcome(process.returncode, output, seconds)

    def mpirun_command(self, argv, ranks_per_host, *, ssh=False, flags=()):
        """mpirun on the head, with ranks_per_host[i] ranks on host i+1; `ssh` connects through the real sshd."""
        placed = [(name, ranks) for name, ranks in zip(self.host_names, ranks_per_host, strict=True) if ranks]
        settings = {
            "plm": "rsh",
            "plm_rsh_agent": "ssh" if ssh else self.directory / "enter",
            "plm_rsh_no_tree_spawn": 1,  # only the head can enter the other hosts
            "pml": "ob1",
            "btl": "tcp,self",  # vader sometimes fails while its ranks start on one simulated host
            "btl_tcp_if_include": f"{NETWORK}.0/24",
            "oob_tcp_if_include": f"{NETWORK}.0/24",
            # Notices a host that vanishes silently within 4 s; by default mpirun would hang for minutes.
            "oob_tcp_keepalive_time": 1,
            "oob_tcp_keepalive_intvl": 1,
            "oob_tcp_keepalive_probes": 3,
            "mpi_yield_when_idle": 1,  # the hosts share this machine's cores
            "orte_tmpdir_base": self.directory / "tmp",
        }
        command = ["mpirun", "--bind-to", "none"]
        for name, value in settings.items():
            command += ["--mca", name, value]
        command += ["--host", ",".join(f"{name}:{ranks}" for name, ranks in placed)]
        command += ["-np", sum(ranks for _, ranks in placed), *flags, *argv]
        return [str(argument) for argument in command]

    def mpirun(self, argv, ranks_per_host, *, ssh=False, flags=(), **run):
        return self.run("head", self.mpirun_command(argv, ranks_per_host, ssh=ssh, flags=flags), **run)

    def srun_command(self, argv, *, nodes, ntasks, flags=()):
        fence = "SLURM_PMIX_FENCE=ring"  # the tree sometimes lets ranks out of MPI_Init before all are in
        command = ["env", fence, "srun", "--mpi=pmix", f"--nodes={nodes}", f"--ntasks={ntasks}", *flags, *argv]
        return [str(argument) for argument in command]

    def srun(self, argv, *, nodes, ntasks, flags=(), env=None, **run):
        """srun on the head of a cluster made with slurm=True. Without mpirun, these variables tell Open MPI which
        network to use."""
        network = {
            "OMPI_MCA_pml": "ob1",
            "OMPI_MCA_btl": "tcp,self",  # vader crashed once while its ranks started (open of a segment: ENOENT)
            "OMPI_MCA_btl_tcp_if_include": f"{NETWORK}.0/24",
            "OMPI_MCA_mpi_yield_when_idle": "1",
        }
        command = self.srun_command(argv, nodes=nodes, ntasks=ntasks, flags=flags)
        return self.run("head", command, env=network | (env or {}), **run)

    def crash(self, host):
        """Power failure: kills every process of the host at once and disconnects its cable."""
        self._ask("crash", host)
        del self._hosts[host]

    def boot(self, host):
        """Starts a crashed host again, with an empty /dev/shm."""
        self._hosts[host] = self._ask("boot", host)
        self._pid_namespaces.add(self._hosts[host]["pid_namespace"])

    def cut(self, host):
        """Unplugs the host's cable; its processes go on."""
        self._ask("cut", host)

    def mend(self, host):
        """Plugs the cable in again."""
        self._ask("mend", host)

    def process_ids(self):
        """The ids of the cluster's processes, in this process's pid namespace."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and os.readlink(entry / "ns/pid") in self._pid_namespaces:
                    found.append(int(entry.name))
            except OSError:
                pass  # ended meanwhile
        return found

    def _environment(self, host, env):
        own = {
            "PATH": _path(),
            "TMPDIR": str(self.directory / "tmp" / host),  # session folders: never those of another cluster
            "SLURM_CONF": str(self.directory / "slurm.conf"),
            "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        }
        return {**os.environ, **own, **{name: str(value) for name, value in (env or {}).items()}}

    def _ask(self, verb, host):
        self._rack.stdin.write(f"{verb} {host}\n".encode())
        self._rack.stdin.flush()
        return self._read_reply()

    def _read_reply(self):
        # Read unbuffered, so that select() sees everything; replies are short and arrive one at a time.
        line, deadline = b"", time.monotonic() + ANSWER_SECONDS
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self._rack.stdout], [], [], max(0, deadline - time.monotonic()))
            byte = os.read(self._rack.stdout.fileno(), 1) if ready else b""
            if not byte:
                raise RuntimeError(f"the simulated cluster {'ended' if ready else 'gave no answer'} {line!r}")
            line += byte
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"the simulated cluster failed: {answer['error']}")
        return answer["ok"]


def _path():
    """PATH with the folders where Debian keeps daemons, which an ordinary user's PATH lacks."""
    return os.environ.get("PATH", "/usr/bin:/bin") + ":/usr/local/sbin:/usr/sbin:/sbin"
