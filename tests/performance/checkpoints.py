"""Cost of a checkpoint every 10 steps: the time of all steps together, saving included, beside a run that saves none.

Timed is the way from the line about step 1 to the line about the last step (with_and_without.py); the checkpoint at the end
of a run, which both have, is left out. With 61 steps those are 60 steps and 6 checkpoints."""
from commands import TITLES, add_run_options, at_least, program_named, steps_of
from measuring import require_programs, row
from with_and_without import compare

EXAMPLES = ("checkpoints --models mlp --steps 61", "checkpoints --every 5 --rounds 5")
GOAL = ("at most", 1.02)


def add_options(parser):
    add_run_options(parser)
    parser.set_defaults(steps=61)
    parser.add_argument("--every", type=at_least(1), default=10, help="steps between two checkpoints (10)")


def row_of(options, model, times):
    saving, without = times["saving"], times["without"]
    steps = steps_of(options, model) - 1
    return row(f"a checkpoint every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
               saving / without, f"{saving:.2f} and {without:.2f} s for {steps} steps with "
               f"{steps // options.every} checkpoints: {saving / without:.3f} times", GOAL)


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    sides = {"saving": [f"checkpoint.every_steps={options.every}"], "without": ["checkpoint.every_steps=0"]}
    for model in options.models:
        yield f"checkpoints/{model}", compare(options, model, sides,
                                              lambda times, model=model: row_of(options, model, times))
