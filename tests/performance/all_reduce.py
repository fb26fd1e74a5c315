"""All-reduce over the ranks of this machine, 4 KiB to 256 MiB: lockstep, MPI_Allreduce, gloo, and the lower bound.

all_reduce_bench (under mpirun: lockstep, MPI_Allreduce, and the memory copies that are the lower bound) and
gloo_all_reduce.py (under torchrun, with the same sizes) take turns."""

import shlex
import statistics

from tests.performance.commands import mpirun_prefix, program_named, shown, torchrun
from tests.performance.measuring import (
    HERE,
    RUN_FAILED,
    Failure,
    alternate,
    json_lines,
    lines_of,
    picked,
    require_programs,
    row,
)

EXAMPLES = ("all-reduce", "all-reduce --ranks 2 --rounds 3 --bytes 4096 16777216")
GLOO = HERE / "gloo_all_reduce.py"
SIZES = [4 * 2**10, 64 * 2**10, 2**20, 4 * 2**20, 16 * 2**20, 64 * 2**20, 256 * 2**20]
LARGE = 16 * 2**20  # bytes: from this size on the first two goals apply
OURS, FLOOR = "lockstep", "memcpy_floor"
PEERS = {"mpi_allreduce": ("MPI_Allreduce", 5), "gloo": ("gloo", 8)}


def add_options(parser):
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--rounds", type=int, default=3, help="runs of each program (3)")
    parser.add_argument("--bytes", type=int, nargs="+", default=SIZES, help="sizes (4 KiB to 256 MiB)")
    add_program(parser)


def add_program(parser):
    parser.add_argument("--program", type=program_named, default="all_reduce_bench", help="(all_reduce_bench)")
    parser.add_argument(
        "--program-arguments",
        default="--bytes {bytes}",
        metavar="WORDS",
        help="how it is told what to measure; {bytes} are the sizes, separated by commas",
    )


def program_words(options, sizes):
    return [str(options.program), *shlex.split(options.program_arguments.format(bytes=",".join(map(str, sizes))))]


def bench_command(options, ranks):
    return [*mpirun_prefix(ranks), *program_words(options, options.bytes)]


def gloo_command(options, ranks):
    return [*torchrun(ranks), str(GLOO), "--bytes", *map(str, options.bytes)]


def medians_in(lines, ranks, sizes, kinds, origin):
    """{(what, bytes): median seconds} from a program's output, which must have all of `kinds` and `sizes`."""
    found = {}
    for line in json_lines(lines):
        if "what" not in line:
            continue
        one = picked(line, {key: key for key in ("what", "bytes", "ranks", "seconds_median")}, f"a line of {origin}")
        if one["ranks"] != ranks:
            raise Failure(RUN_FAILED, f"{origin} reports {one['ranks']} ranks, but was started on {ranks}")
        found[one["what"], one["bytes"]] = one["seconds_median"]
    lacking = [f"{what} of {size} bytes" for what in kinds for size in sizes if (what, size) not in found]
    if lacking:
        raise Failure(RUN_FAILED, f"{origin} says nothing of {', '.join(lacking)}")
    return found


def medians_over(runs):
    """{(what, bytes): median over the runs}."""
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def ratios(times, peer):
    """{bytes: time of the peer over that of lockstep}."""
    return {size: times[peer, size] / seconds for (what, size), seconds in times.items() if what == OURS}


def in_words(size):
    unit = next(unit for unit in (2**20, 2**10, 1) if size >= unit or unit == 1)
    return f"{size / unit:g} {({2**20: 'MiB', 2**10: 'KiB', 1: 'bytes'})[unit]}"


def worst(by_size, choose=min):
    size = choose(by_size, key=by_size.get)
    return by_size[size], in_words(size)


def rows_of(times, ranks):
    """The rows of the three goals; each must hold for the worst size."""
    for peer, (label, goal) in PEERS.items():
        of_peer = ratios(times, peer)
        if large := {size: ratio for size, ratio in of_peer.items() if size >= LARGE}:
            value, at = worst(large)
            yield row(
                f"sum over {ranks} ranks, 16 MiB and more, beside {label}",
                value,
                f"{value:.1f} times as fast (the least, at {at})",
                ("at least", goal),
            )
        value, at = worst(of_peer)
        yield row(
            f"sum over {ranks} ranks, any size, beside {label}",
            value,
            f"{value:.2f} times as fast (the least, at {at})",
            ("at least", 1),
        )
    above_floor = {size: 1 / ratio for size, ratio in ratios(times, FLOOR).items()}
    value, at = worst(above_floor, max)
    largest = max(above_floor)
    yield row(
        f"sum over {ranks} ranks, any size, beside copying the memory",
        value,
        f"{value:.2f} times the floor (the most, at {at}); {above_floor[largest]:.2f} at {in_words(largest)}",
        ("at most", 1.5),
    )


def table(times, sizes):
    lines = [f"{'size':>10} {'lockstep':>12} {'MPI_Allreduce':>20} {'gloo':>20} {'floor':>20}   (us; times lockstep)"]
    for size in sizes:
        ours = times[OURS, size]
        cells = [f"{times[what, size] * 1e6:12.1f} {times[what, size] / ours:6.2f}x" for what in (*PEERS, FLOOR)]
        lines.append(f"{in_words(size):>10} {ours * 1e6:12.1f} {' '.join(cells)}")
    return "\n".join(lines)


def listed(times):
    """The times in a form that JSON can represent."""
    return [{"what": what, "bytes": size, "median": seconds} for (what, size), seconds in times.items()]


def measure_ranks(options, ranks):
    def bench():
        lines = [line for _, line in lines_of(bench_command(options, ranks), options.timeout)]
        return medians_in(lines, ranks, options.bytes, (OURS, "mpi_allreduce", FLOOR), options.program.name)

    def gloo():
        lines = [line for _, line in lines_of(gloo_command(options, ranks), options.timeout)]
        return medians_in(lines, ranks, options.bytes, ("gloo",), GLOO.name)

    largest = max(options.bytes)
    runs = alternate(
        options.rounds,
        {"bench": bench, "gloo": gloo},
        lambda turn: (
            f"{ranks} ranks, {in_words(largest)}: "
            f"{turn['bench'][OURS, largest] * 1e3:.2f} ms, gloo {turn['gloo']['gloo', largest] * 1e3:.2f} ms"
        ),
    )
    times = medians_over(runs["bench"]) | medians_over(runs["gloo"])
    print(table(times, options.bytes))
    return {
        "rows": list(rows_of(times, ranks)),
        "seconds": listed(times),
        "runs": {side: [listed(run) for run in those] for side, those in runs.items()},
        "settings": {"bench": shown(bench_command(options, ranks)), "gloo": shown(gloo_command(options, ranks))},
    }


def measure(options):
    require_programs(options.program)
    for ranks in options.ranks:
        yield f"all-reduce/{ranks}", measure_ranks(options, ranks)
