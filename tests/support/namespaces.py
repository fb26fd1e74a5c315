"""Linux namespaces, and what a process sets up in new ones: mounts, network devices, the duties of pid 1."""

import ctypes
import os
import signal
import socket
import subprocess
from pathlib import Path

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
    """Gives a simulated machine its own host name, /proc and /dev/shm. Must be called by pid 1 of new namespaces."""
    socket.sethostname(hostname)
    mount("none", "/", flags=MS_REC | MS_PRIVATE)
    mount("proc", "/proc", "proc")
    mount("tmpfs", "/dev/shm", "tmpfs")


def give_up_on_silent_peers_early():
    """Keepalive does nothing while bytes are in flight: the kernel would retransmit those for a quarter of an hour."""
    Path("/proc/sys/net/ipv4/tcp_retries2").write_text("4")


def ip(lines):
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines) + "\n", text=True, check=True)


def reap_forever():
    """The duty of pid 1: reaps the orphans of its namespace."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
    while True:
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        signal.sigwait({signal.SIGCHLD})
