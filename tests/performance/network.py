"""All-reduce over 2, 3 and 4 simulated hosts with one rank each, with cables shaped to 1 Gbit/s (root).

The time is compared with the transfer of the bytes alone, with MPI_Allreduce and with gloo; the bytes that each host
sends are compared with the formula. all_reduce_bench runs once per operation, so that only that operation is counted.
The difference between many and few repetitions is what the repetitions sent, without start-up and warm-up. Counted is
the TCP payload: bytes in /proc/net/dev minus 66 bytes of headers per packet. MPI adds framing to its messages, hence
the tolerance of one per cent."""

import functools
import shlex
import sys

from tests.performance.all_reduce import GLOO, OURS, PEERS, add_program, in_words, medians_in, medians_over
from tests.performance.measuring import alternate, require_programs, row
from tests.performance.simulated_hosts import NETWORK_DEVICE, follow, lines_on_cluster, payload_sent, simulated_hosts
from tests.support.exchange_formula import between_ranks, equal_shards, pieces

EXAMPLES = ("network", "network --hosts 2 --rounds 1 --bytes 4194304")
GOAL, BYTES_GOAL = ("at most", 1.1), ("at most", 0.01)
PORT = 29500


def add_options(parser):
    parser.add_argument("--hosts", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program (3)")
    parser.add_argument("--bytes", type=int, default=64 * 2**20, help="(67108864)")
    parser.add_argument("--mbit", type=int, default=1000, help="of each cable and direction, Mbit/s (1000)")
    parser.add_argument(
        "--repetitions",
        type=int,
        nargs=2,
        default=[2, 6],
        metavar=("FEW", "MANY"),
        help="of the two runs whose bytes are compared (2 6)",
    )
    add_program(parser)
    parser.set_defaults(program_arguments="--bytes {bytes} --only {what} --repetitions {repetitions}")


def run_bench(options, cluster, what, repetitions):
    words = shlex.split(options.program_arguments.format(bytes=options.bytes, what=what, repetitions=repetitions))
    lines = lines_on_cluster(cluster, [str(options.program), *words], options.timeout)
    return medians_in(lines, len(cluster.host_names), [options.bytes], (what,), options.program.name)


def gloo_environment(cluster, rank):
    return {
        "MASTER_ADDR": cluster.host_names[0],
        "MASTER_PORT": PORT,
        "WORLD_SIZE": len(cluster.host_names),
        "RANK": rank,
        "GLOO_SOCKET_IFNAME": NETWORK_DEVICE,
    }


def run_gloo(options, cluster):
    command = [sys.executable, str(GLOO), "--bytes", str(options.bytes), "--repetitions", str(options.repetitions[1])]
    started = [
        cluster.start(
            host, command, env=gloo_environment(cluster, rank), timeout=options.timeout, start_new_session=True
        )
        for rank, host in enumerate(cluster.host_names)
    ]
    lines = [line for process in started for line in follow(process, command, options.timeout)]
    return medians_in(lines, len(cluster.host_names), [options.bytes], ("gloo",), GLOO.name)


def sent_by_each(cluster, run):
    before = [payload_sent(cluster, host) for host in cluster.host_names]
    run()
    return [payload_sent(cluster, host) - earlier for host, earlier in zip(cluster.host_names, before, strict=True)]


def sent_by_one_sum(options, cluster):
    """Bytes that each host sends for one all-reduce."""
    few, many = options.repetitions
    counts = [sent_by_each(cluster, functools.partial(run_bench, options, cluster, OURS, n)) for n in (few, many)]
    return [(more - less) / (many - few) for less, more in zip(*counts, strict=True)]


def bytes_of_formula(options, hosts):
    """Each host has one micro-batch: one left-over node of float32 elements per host, in equal shards."""
    return [sent.bytes for sent in between_ranks(pieces(hosts, hosts), equal_shards(options.bytes // 4, hosts))]


def milliseconds(ours, theirs):
    return f"{ours * 1e3:.0f} and {theirs * 1e3:.0f} ms"


def mebibytes(counts):
    return ", ".join(f"{count / 2**20:.2f}" for count in counts)


def rows_of(options, hosts, times, sent):
    due = bytes_of_formula(options, hosts)
    wire = 8 * max(due) / (options.mbit * 1e6)
    what = f"sum of {in_words(options.bytes)} over {hosts} hosts at {options.mbit / 1000:g} Gbit/s"
    ours = times[OURS, options.bytes]
    yield row(
        f"{what}, beside bytes / bandwidth", ours / wire, f"{milliseconds(ours, wire)}: {ours / wire:.3f} times", GOAL
    )
    for peer, (label, _) in PEERS.items():
        theirs = times[peer, options.bytes]
        yield row(
            f"{what}, beside {label}", theirs / ours, f"{milliseconds(ours, theirs)}: {theirs / ours:.2f} times as fast"
        )
    off = max(abs(count - formula) / formula for count, formula in zip(sent, due, strict=True))
    yield row(
        f"{what}: bytes each host sent beside the formula",
        off,
        f"{mebibytes(sent)} and {mebibytes(due)} MiB: {off:.2%} apart at most",
        BYTES_GOAL,
        "equal to 1 %",
    )


def measure_hosts(options, hosts):
    def bench(what):
        return lambda: run_bench(options, cluster, what, options.repetitions[1])

    with simulated_hosts(hosts, options.mbit) as cluster:
        sides = {OURS: bench(OURS), "mpi_allreduce": bench("mpi_allreduce"), "gloo": lambda: run_gloo(options, cluster)}
        runs = alternate(
            options.rounds,
            sides,
            lambda turn: (
                f"{hosts} hosts, ms: "
                + ", ".join(f"{side} {run[side, options.bytes] * 1e3:.0f}" for side, run in turn.items())
            ),
        )
        sent = sent_by_one_sum(options, cluster)
    times = {key: value for those in runs.values() for key, value in medians_over(those).items()}
    return {
        "rows": list(rows_of(options, hosts, times, sent)),
        "sent": sent,
        "formula": bytes_of_formula(options, hosts),
        "seconds": {what: value for (what, _), value in times.items()},
        "runs": {side: [run[side, options.bytes] for run in those] for side, those in runs.items()},
        "settings": {"bytes": options.bytes, "mbit": options.mbit, "repetitions": options.repetitions},
    }


def measure(options):
    require_programs(options.program)
    for hosts in options.hosts:
        yield f"network/{hosts}", measure_hosts(options, hosts)
