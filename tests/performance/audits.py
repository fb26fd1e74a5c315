"""Cost of an audit every K steps: the time of all steps together beside a run that audits none.

One micro-batch of every K-th step is computed a second time, by another rank. Timed is the way from the line about step 1
to the line about the last step (with_and_without.py)."""
from commands import TITLES, add_run_options, at_least, program_named, steps_of
from measuring import require_programs, row
from with_and_without import compare

EXAMPLES = ("audits --models resnet20 --every 10", "audits --every 1 --rounds 5")


def add_options(parser):
    add_run_options(parser)
    parser.set_defaults(steps=41)
    parser.add_argument("--every", type=at_least(1), default=10, help="steps between two audits (10)")


def row_of(options, model, times):
    audited, without = times["audited"], times["without"]
    return row(f"an audit every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
               audited / without, f"{audited:.2f} and {without:.2f} s for {steps_of(options, model) - 1} steps: "
               f"{audited / without:.3f} times", ("at most", round(1.01 + 1 / options.every, 3)))


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    sides = {"audited": [f"reliability.audit_every={options.every}"], "without": ["reliability.audit_every=0"]}
    for model in options.models:
        yield f"audits/{model}", compare(options, model, sides,
                                         lambda times, model=model: row_of(options, model, times))
