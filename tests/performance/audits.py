"""Cost of an audit every K steps: the total time of all steps, compared with a run without audits.

Another rank recomputes one micro-batch of every K-th step. The time runs from the output line of step 1 to that of the
last step (with_and_without.py)."""

from tests.performance import with_and_without
from tests.performance.commands import TITLES, steps_of
from tests.performance.measuring import row

EXAMPLES = ("audits --models resnet20 --every 10", "audits --every 1 --rounds 5")


def add_options(parser):
    with_and_without.add_options(parser, 41, "audits")


def row_of(options, model, times):
    audited, without = times["audited"], times["without"]
    return row(
        f"an audit every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
        audited / without,
        f"{audited:.2f} and {without:.2f} s for {steps_of(options, model) - 1} steps: {audited / without:.3f} times",
        ("at most", round(1.01 + 1 / options.every, 3)),
    )


def measure(options):
    sides = {"audited": [f"reliability.audit_every={options.every}"], "without": ["reliability.audit_every=0"]}
    return with_and_without.compare(options, "audits", sides, row_of)
