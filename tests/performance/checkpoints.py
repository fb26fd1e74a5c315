"""Cost of a checkpoint every 10 steps: the total time of all steps including saving, compared with a run without
checkpoints.

The time runs from the output line of step 1 to that of the last step (with_and_without.py). It excludes the checkpoint
at the end of a run, which both have. With 61 steps it covers 60 steps and 6 checkpoints."""

from tests.performance import with_and_without
from tests.performance.commands import TITLES, steps_of
from tests.performance.measuring import row

EXAMPLES = ("checkpoints --models mlp --steps 61", "checkpoints --every 5 --rounds 5")
GOAL = ("at most", 1.02)


def add_options(parser):
    with_and_without.add_options(parser, 61, "checkpoints")


def row_of(options, model, times):
    saving, without = times["saving"], times["without"]
    steps = steps_of(options, model) - 1
    return row(
        f"a checkpoint every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
        saving / without,
        f"{saving:.2f} and {without:.2f} s for {steps} steps with "
        f"{steps // options.every} checkpoints: {saving / without:.3f} times",
        GOAL,
    )


def measure(options):
    sides = {"saving": [f"checkpoint.every_steps={options.every}"], "without": ["checkpoint.every_steps=0"]}
    return with_and_without.compare(options, "checkpoints", sides, row_of)
