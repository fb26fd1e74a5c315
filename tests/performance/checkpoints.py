"""Cost of a checkpoint every 10 steps: the time of all steps together, saving included, beside a run that saves none.

Timed is the way from the line about step 1 to the line about the last step (with_and_without.py); the checkpoint at the
end of a run, which both have, is left out. With 61 steps those are 60 steps and 6 checkpoints."""

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
