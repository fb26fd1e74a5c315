"""The table of figures in README.md, made from what the benchmarks wrote into build/bench/results.json.

  .venv/bin/python3 -m tests.performance.table            print it
  .venv/bin/python3 -m tests.performance.table --write    put it between the two marks in README.md

Each line: what was measured, the figure, its goal and whether that is met, and the command that measures it again. What
was not measured is left out; a goal that is missed is shown as missed.
"""

import argparse
import sys
from pathlib import Path

from tests.performance.measuring import RESULTS, ROOT, Failure, busy, read_results

BEGIN = "<!-- Made by tests/performance/table.py from the last measurements; do not edit. -->"
END = "<!-- End of what table.py made. -->"
HEADER = "| measure | figure | goal | command |\n|---|---|---|---|"


def goal_in_words(row):
    if not row.get("goal"):
        return ""
    return f"{row['goal']}: {'met' if row['met'] else 'missed'}"


def lines_of_table(results):
    for part in results.values():
        for row in part["rows"]:
            yield f"| {row['measure']} | {row['figure']} | {goal_in_words(row)} | `{part['command']}` |"


def machines(results):
    """On what the figures were taken, each machine, commit and day once."""
    all_facts = [part["machine"] for part in results.values() if part["rows"]]
    return list(
        dict.fromkeys(
            f"{facts['usable_cores']} cores of {facts['processor']}, {facts['date']}, commit {facts['commit']}"
            for facts in all_facts
        )
    )


def busy_measures(results):
    """A sentence about those that had to share the machine, if any."""
    names = [name for name, part in results.items() if part["rows"] and busy(part["machine"])]
    return f" Other work kept the machine busy during {', '.join(names)}." if names else ""


def table(results):
    if not any(part["rows"] for part in results.values()):
        raise Failure(1, "there are no measurements yet; take some with `make bench`")
    where = "; ".join(machines(results))
    return "\n".join(
        [
            HEADER,
            *lines_of_table(results),
            "",
            f"Ratios of medians of runs in turn, on {where}." + busy_measures(results),
        ]
    )


def with_table(text, new):
    """The text with everything between the two marks replaced."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Failure(1, f"README.md must have one line `{BEGIN}` and behind it one line `{END}`")
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n{new}\n{END}{rest.split(END)[1]}"


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    parser.add_argument("--write", action="store_true", help="into README.md instead of printing")
    options = parser.parse_args(arguments)
    try:
        made = table(read_results(options.results))
        if options.write:
            options.readme.write_text(with_table(options.readme.read_text(), made))
        else:
            print(made)
    except Failure as failure:
        print(f"table: {failure}", file=sys.stderr)
        return failure.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
