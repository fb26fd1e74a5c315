"""Cost of the promise: the median step of lockstep-worker compared with a build that adds in any order.

mpirun starts both in turn, with the configurations of the training measure."""

from tests.performance.commands import (
    TITLES,
    add_run_options,
    program_named,
    run_lockstep,
    shown,
    steps_of,
    without_lines,
    worker_command,
)
from tests.performance.measuring import alternate, figures_of, medians_of, require_one_hash, require_programs, row

EXAMPLES = ("promise --rounds 5 --models resnet20", "promise --any-order build/bin/lockstep-worker-any-order")
GOAL = ("at most", 1.03)


def add_options(parser):
    add_run_options(parser)
    parser.add_argument(
        "--strict", type=program_named, default="lockstep-worker", metavar="PROGRAM", help="(lockstep-worker)"
    )
    parser.add_argument(
        "--any-order",
        type=program_named,
        default="lockstep-worker-any-order",
        metavar="PROGRAM",
        help="(lockstep-worker-any-order)",
    )


def command(options, program, model, folder="FOLDER"):
    return worker_command(options, program, model, options.ranks, folder)


def row_of(options, model, times):
    strict, free = times["strict"]["median"], times["any_order"]["median"]
    return row(
        f"cost of the fixed order of sums: {TITLES[model]}, {options.ranks} ranks, beside a build that sums in "
        "any order",
        strict / free,
        f"{strict:.1f} and {free:.1f} ms a step: {strict / free:.3f} times",
        GOAL,
    )


def measure_model(options, model):
    def run(program):
        return run_lockstep(options, model, options.ranks, lambda folder: command(options, program, model, folder))

    sides = {"strict": lambda: run(options.strict), "any_order": lambda: run(options.any_order)}
    runs = alternate(options.rounds, sides, lambda turn: f"{model}, ms a step: {figures_of(turn, 'step_ms')}")
    require_one_hash(model, runs["strict"])
    times = medians_of(runs, "step_ms")
    return {
        "rows": [row_of(options, model, times)],
        "step_ms": times,
        "runs": without_lines(runs),
        "settings": {
            "steps": steps_of(options, model),
            "ranks": options.ranks,
            "strict": shown(command(options, options.strict, model)),
            "any_order": shown(command(options, options.any_order, model)),
        },
    }


def measure(options):
    require_programs(options.strict, options.any_order)
    for model in options.models:
        yield f"promise/{model}", measure_model(options, model)
