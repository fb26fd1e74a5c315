"""Measures whole runs on this machine, alternating with what they are compared with (A B A B ...).

  .venv/bin/python3 -m tests.performance.bench training --models mlp --rounds 3
  .venv/bin/python3 -m tests.performance.bench short          what `make bench` does, about 10 minutes
  .venv/bin/python3 -m tests.performance.bench all            everything, `make bench-all`
  .venv/bin/python3 -m tests.performance.bench growth --help  the options of one measure

Figures are ratios of medians. Each measure puts its part into build/bench/results.json: the runs, the command, the
machine, the goal and whether it is met. table.py makes the table of docs/performance.md from that file. A missed goal
is not a failure. Exit status: 0 done, 1 cannot start, 2 wrong options, 3 a run failed or printed nothing usable, 4
hashes that must be equal differ. `short` and `all` continue after a failure and end with the status of the first one.
"""

import argparse
import shlex
import signal
import sys
from pathlib import Path

from tests.performance import all_reduce, audits, checkpoints, growth, loader, network, promise, startup, training
from tests.performance.measuring import RESULTS, Failure, busy, machine, record

MEASURES = {
    "training": training,
    "promise": promise,
    "checkpoints": checkpoints,
    "audits": audits,
    "startup": startup,
    "growth": growth,
    "loader": loader,
    "all-reduce": all_reduce,
    "network": network,
}
SHORT = (
    "training --models resnet20 mlp --rounds 3 --steps 16",
    "training --models resnet18 --rounds 2 --steps 5",
    "checkpoints --models mlp --rounds 2 --steps 41",
    "startup --rounds 2",
    "all-reduce --ranks 2 4 --rounds 1",
)
ALL = (
    "training",
    "promise",
    "checkpoints",
    "audits",
    "startup",
    "loader",
    "growth",
    "growth --place hosts --ranks 2 3 4 8 16",
    "all-reduce",
    "network",
)
PROGRAM = ".venv/bin/python3 -m tests.performance.bench"


def parser():
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = made.add_subparsers(dest="measure", required=True, metavar="MEASURE")
    for name, module in MEASURES.items():
        examples = "\n".join(f"  {PROGRAM} {example}" for example in module.EXAMPLES)
        command = commands.add_parser(
            name,
            help=module.__doc__.split(":")[0].splitlines()[0],
            description=module.__doc__,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(command)
        add_common_options(command)
    for name, of in (("short", SHORT), ("all", ALL)):
        listed = "\n".join(f"  bench.py {line}" for line in of)
        command = commands.add_parser(
            name,
            help=f"{len(of)} measures",
            description=f"Does in turn:\n{listed}",
            epilog=f"example:\n  {PROGRAM} {name}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        add_common_options(command)
    return made


def add_common_options(command):
    command.add_argument("--timeout", type=float, default=900, help="seconds after which a run is given up (900)")
    command.add_argument("--output", type=Path, default=RESULTS, help="the file of results (build/bench/results.json)")


def report(part):
    for row in part["rows"]:
        verdict = {None: "", True: f"   [{row['goal']}: met]", False: f"   [{row['goal']}: MISSED]"}[row["met"]]
        print(f"{row['measure']}: {row['figure']}{verdict}", flush=True)


def do(arguments):
    """Runs one measure. Its parts are written as they come, so that a later failure loses none."""
    options = parser().parse_args(arguments)
    facts = {"command": f"{PROGRAM} {shlex.join(arguments)}", "machine": machine()}
    print(f"bench.py {shlex.join(arguments)}", flush=True)
    if said := busy(facts["machine"]):
        print(f"  warning: {said}", flush=True)
    for name, part in MEASURES[options.measure].measure(options):
        record(options.output, {name: part | facts})
        report(part)


def do_and_tell(arguments):
    try:
        do(arguments)
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return failure.status
    return 0


def main(arguments=None):
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # unwinds, which ends programs
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parser().parse_args(arguments)
    several = {"short": SHORT, "all": ALL}.get(options.measure)
    if several is None:
        return do_and_tell(arguments)
    common = ["--timeout", str(options.timeout)] if options.timeout != 900 else []
    common += ["--output", str(options.output)] if options.output != RESULTS else []
    statuses = [do_and_tell([*shlex.split(line), *common]) for line in several]
    print(f"{statuses.count(0)} of {len(statuses)} measures done; results in {options.output}")
    return next((status for status in statuses if status), 0)


if __name__ == "__main__":
    sys.exit(main())
