"""Growth with the number of ranks, oversubscribed: memory per rank, and what a step sends compared with the formula.

Memory is read while steps run: the proportional set size (pages that ranks share are divided among them) and the
high-water mark of resident memory, in which every rank counts shared pages in full. Messages and bytes are those of the
rank that sends most, from "exchange" in result.json; exchange_formula.py computes the formula of docs/collectives.md.
With --place hosts every rank is on its own simulated host (root), so that everything exchanged must be sent. A stated
model gives the table for more ranks than can be run (exchange_model.py, docs/growth.md)."""

import os
import tomllib
from pathlib import Path

from tests.performance import exchange_model
from tests.performance.commands import add_settings, mpirun_prefix, program_named, shown
from tests.performance.measuring import (
    HERE,
    RUN_FAILED,
    Failure,
    lines_of,
    picked,
    require_programs,
    result_of,
    row,
    run_folder,
)
from tests.performance.simulated_hosts import lines_on_cluster, simulated_hosts
from tests.support import exchange_formula as formula

EXAMPLES = ("growth --ranks 1 2 4 8", "growth --place hosts --ranks 2 3 4", "growth --ranks --model-ranks 64 512 4096")
CONFIG = HERE / "growth.toml"
MEMORY = {"pss_mib": ("smaps_rollup", "Pss"), "high_water_mib": ("status", "VmHWM")}


def add_options(parser):
    parser.add_argument("--ranks", type=int, nargs="*", default=[1, 2, 4, 8, 16, 32])
    parser.add_argument(
        "--place",
        choices=("machine", "hosts"),
        default="machine",
        help="all ranks on this machine (machine), or each on a simulated host of its own",
    )
    parser.add_argument(
        "--path",
        choices=("shared", "messages"),
        default="shared",
        help="what ranks of one machine are expected to do: share memory and send nothing (shared), or "
        "send everything as messages, as where windows cannot be had",
    )
    parser.add_argument("--program", type=program_named, default="lockstep-worker", help="(lockstep-worker)")
    add_settings(parser)
    exchange_model.add_options(parser)


def kib_in(path, key):
    """The value of `key` in a file of "Key:   123 kB" lines, in KiB."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1])
    raise Failure(RUN_FAILED, f"{path} has no line {key}")


def descendants(pid):
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in children.read_text().split():
            yield int(child)
            yield from descendants(int(child))


def ranks_among(pids, program):
    """The processes among `pids` that run the program, without the ranks' sentinels."""
    for pid in pids:
        try:
            if (
                os.path.samefile(f"/proc/{pid}/exe", program)
                and Path(f"/proc/{pid}/comm").read_text() != "lockstep-watch\n"
            ):
                yield pid
        except OSError:
            pass  # ended meanwhile


class MemoryWatch:
    """Reads the memory of all ranks at each line that the run prints, and keeps the last complete reading."""

    def __init__(self, ranks, program, processes):
        self.ranks, self.program, self.processes = ranks, program, processes
        self.seen = None

    def __call__(self, process, line):
        if '"event":"step"' not in line:
            return
        try:
            pids = list(ranks_among(self.processes(process), self.program))
            read = {
                name: [kib_in(Path(f"/proc/{pid}/{file}"), key) / 1024 for pid in pids]
                for name, (file, key) in MEMORY.items()
            }
        except OSError:
            return  # the run is ending
        if len(pids) == self.ranks:
            self.seen = read

    def largest(self):
        if self.seen is None:
            raise Failure(RUN_FAILED, f"the memory of {self.ranks} ranks could not be read while their steps ran")
        return {name: max(values) for name, values in self.seen.items()}


def exchange_in(result):
    """(messages, bytes) of a step, for the rank that sends most."""
    exchange = result.get("exchange")
    if not isinstance(exchange, dict):
        raise Failure(
            RUN_FAILED,
            'result.json has no "exchange" (what a step sends, which is compared with the '
            "formula); the program measured is of a build that does not count it",
        )
    counts = picked(exchange, {"messages": "messages_per_step", "bytes": "bytes_per_step"}, 'result.json\'s "exchange"')
    return formula.Exchange(counts["messages"], counts["bytes"])


def expected(ranks, sends):
    """The largest (messages, bytes) of a rank; sends: whether ranks send at all."""
    if not sends:
        return formula.Exchange(0, 0)
    settings = tomllib.loads(CONFIG.read_text())
    leaves = settings["training"]["batch_size"] // settings["training"]["micro_batch_size"]
    sizes = formula.shards(formula.mlp_tensors(784, settings["model"]["hidden_sizes"], 10), ranks)
    return max(formula.between_ranks(formula.pieces(leaves, ranks), sizes), key=lambda sent: sent.bytes)


def on_this_machine(options, ranks, words):
    watch = MemoryWatch(ranks, options.program, lambda process: descendants(process.pid))
    lines_of([*mpirun_prefix(ranks), *words], options.timeout, watch=watch)
    return watch


def on_hosts(options, ranks, words):
    with simulated_hosts(ranks) as cluster:
        watch = MemoryWatch(ranks, options.program, lambda process: cluster.process_ids())
        lines_on_cluster(cluster, words, options.timeout, watch)
    return watch


def one_number(options, ranks):
    settings = [word for setting in options.set for word in ("--set", setting)]
    with run_folder(options, f"growth-{ranks}") as folder:
        words = [str(options.program), str(CONFIG), "--output", str(folder), "--fresh", *settings]
        watch = (on_hosts if options.place == "hosts" else on_this_machine)(options, ranks, words)
        sent = exchange_in(result_of(folder))
    due = expected(ranks, sends=options.place == "hosts" or options.path == "messages")
    found = {"ranks": ranks, **watch.largest(), "sent": sent._asdict(), "formula": due._asdict(), "equal": sent == due}
    print(
        f"  {ranks} ranks: {found['pss_mib']:.0f} MiB a rank (proportional), "
        f"{found['high_water_mib']:.0f} MiB at most; "
        f"messages and bytes {tuple(sent)}, formula {tuple(due)}",
        flush=True,
    )
    return found


def rows_of(options, numbers):
    shown_ranks = ", ".join(str(found["ranks"]) for found in numbers)
    where = "one machine" if options.place == "machine" else "as many simulated hosts"
    different = [found["ranks"] for found in numbers if not found["equal"]]
    said = f"different on {', '.join(map(str, different))} ranks" if different else "equal on each"
    yield row(
        f"messages and bytes of a step beside the formula, {shown_ranks} ranks on {where}",
        len(different),
        said,
        ("at most", 0),
        "equal",
    )
    yield row(
        f"memory of a rank, small MLP, {shown_ranks} ranks on {where} (proportional set size)",
        numbers[-1]["pss_mib"],
        ", ".join(f"{found['pss_mib']:.0f}" for found in numbers) + " MiB",
    )


def measure(options):
    require_programs(options.program)
    numbers = [one_number(options, ranks) for ranks in options.ranks]
    model = exchange_model.model_of(options)
    print(exchange_model.document(model, options.model_ranks))
    if numbers:
        command = [*mpirun_prefix(max(options.ranks)), str(options.program), str(CONFIG)]
        yield (
            f"growth/{options.place}",
            {
                "rows": list(rows_of(options, numbers)),
                "numbers": numbers,
                "settings": {"command": shown(command), "path": options.path},
            },
        )
    yield (
        "growth/model",
        {
            "rows": [],
            "settings": model._asdict(),
            "predicted": [exchange_model.predicted(model, ranks)._asdict() for ranks in options.model_ranks],
        },
    )
