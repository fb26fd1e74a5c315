"""Hosts in namespaces of this machine to measure on, with cables of a given speed and a count of the bytes they send.

The hosts are those of tests/support/cluster.py (root; see there)."""

import contextlib
import time

from tests.performance.measuring import CANNOT_START, Failure, require_success, stopped_after
from tests.support.cluster import Cluster, what_is_missing

NETWORK_DEVICE = "eth0"  # of each host
HEADERS = 66  # bytes of Ethernet, IP and TCP headers (with timestamps) per packet


@contextlib.contextmanager
def simulated_hosts(count, mbit=None):
    """A Cluster; with `mbit`, each cable carries `mbit` Mbit/s in each direction."""
    if missing := what_is_missing():
        raise Failure(CANNOT_START, missing)
    with Cluster(hosts=count) as cluster:
        if mbit:
            for number, host in enumerate(cluster.host_names, 1):
                shape(cluster, host, NETWORK_DEVICE, mbit)
                shape(cluster, "head", f"v{number}", mbit)
        yield cluster


def shape(cluster, host, device, mbit):
    # A burst below 128 kb costs throughput. Packets beyond the rate wait in the queue instead of being dropped.
    done = cluster.run(
        host,
        [
            "tc",
            "qdisc",
            "add",
            "dev",
            device,
            "root",
            "tbf",
            "rate",
            f"{mbit}mbit",
            "burst",
            "128kb",
            "latency",
            "200ms",
        ],
    )
    if done.exit_code != 0:
        raise Failure(CANNOT_START, f"tc cannot shape {device} of {host}: {done.output.strip()}")


def lines_on_cluster(cluster, words, timeout_s, watch=lambda process, line: None, env=None):
    """The lines that a program prints under mpirun on the head, with one rank per host."""
    command = cluster.mpirun_command(words, [1] * len(cluster.host_names))
    process = cluster.start("head", command, env=env, timeout=timeout_s, start_new_session=True)
    return follow(process, command, timeout_s, watch)


def follow(process, command, timeout_s, watch=lambda process, line: None):
    start, lines = time.monotonic(), []
    with process, stopped_after(process, timeout_s + 5):  # the cluster's own time limit comes first
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            watch(process, line)
        process.wait()
    late = time.monotonic() - start >= timeout_s
    require_success(command, process.returncode, late and timeout_s, lines, "")
    return lines


def sent_in(text, device=NETWORK_DEVICE):
    """(bytes, packets) sent, from /proc/net/dev. /sys/class/net would show the devices of another namespace."""
    for line in text.splitlines():
        name, _, counts = line.partition(":")
        if name.strip() == device:
            fields = counts.split()
            return int(fields[8]), int(fields[9])
    raise Failure(CANNOT_START, f"/proc/net/dev does not list {device}")


def payload_sent(cluster, host):
    """Bytes that the host's TCP connections have sent so far, without headers and bare acknowledgements."""
    sent, packets = sent_in(cluster.run(host, ["cat", "/proc/net/dev"]).output)
    return sent - HEADERS * packets
