"""The table of figures in docs/performance.md, made from the results of the benchmarks in build/bench/results.json, and
the chart of it in README.md.

  .venv/bin/python3 -m tests.performance.table            print the table
  .venv/bin/python3 -m tests.performance.table --write    put it into docs/performance.md, and draw the chart
  .venv/bin/python3 -m tests.performance.table --chart    draw the chart again from the table that is there

Each line has what was measured, the figure, its goal and whether that is met, the measured commit, whether other work
kept the machine busy, and the command that measures it again. What was not measured is left out; a missed goal is shown
as missed.
"""

import argparse
import sys
from pathlib import Path

from tests.performance import chart
from tests.performance.measuring import RESULTS, ROOT, Failure, busy, read_results

DOCUMENT, CHART = ROOT / "docs/performance.md", ROOT / "docs/training_speed.svg"
BEGIN = "<!-- Made by tests/performance/table.py from the last measurements; do not edit. -->"
END = "<!-- End of what table.py made. -->"
HEADER = "| measure | figure | goal | commit | load | command |\n|---|---|---|---|---|---|"


def goal_in_words(row):
    if not row.get("goal"):
        return ""
    return f"{row['goal']}: {'met' if row['met'] else 'missed'}"


def lines_of_table(results):
    for part in results.values():
        command = part["command"].removeprefix(".venv/bin/python3 -m tests.performance.")
        commit, load = part["machine"]["commit"], "busy" if busy(part["machine"]) else "idle"
        for row in part["rows"]:
            yield f"| {row['measure']} | {row['figure']} | {goal_in_words(row)} | {commit} | {load} | `{command}` |"


def machines(results):
    """The machines on which the figures were measured, each once, with the days."""
    days = {}
    for facts in (part["machine"] for part in results.values() if part["rows"]):
        days.setdefault(f"{facts['usable_cores']} cores of {facts['processor']}", set()).add(facts["date"])
    return [f"{where}, {' to '.join(sorted({min(dates), max(dates)}))}" for where, dates in days.items()]


def table(results):
    if not any(part["rows"] for part in results.values()):
        raise Failure(1, "there are no measurements yet; take some with `make bench`")
    where = "; ".join(machines(results))
    return "\n".join([HEADER, *lines_of_table(results), "", f"Ratios of medians of alternating runs, on {where}."])


def split_at_marks(text):
    """The text before, between and after the two marks."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise Failure(1, f"docs/performance.md must have one line `{BEGIN}` and behind it one line `{END}`")
    before, rest = text.split(BEGIN)
    return before, *rest.split(END)


def with_table(text, new):
    """The text with everything between the two marks replaced."""
    before, _, behind = split_at_marks(text)
    return f"{before}{BEGIN}\n{new}\n{END}{behind}"


def committed_table(document=DOCUMENT):
    return split_at_marks(document.read_text())[1]


def do(options):
    if options.chart:
        options.drawing.write_text(chart.drawn(committed_table(options.document)))
        return
    made = table(read_results(options.results))
    if not options.write:
        print(made)
        return
    text, drawing = with_table(options.document.read_text(), made), chart.drawn(made)
    options.document.write_text(text)
    options.drawing.write_text(drawing)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument("--document", type=Path, default=DOCUMENT)
    parser.add_argument("--drawing", type=Path, default=CHART)
    parser.add_argument("--write", action="store_true", help="into the document instead of printing; draw the chart")
    parser.add_argument("--chart", action="store_true", help="draw the chart from the document, without results")
    try:
        do(parser.parse_args(arguments))
    except Failure as failure:
        print(f"table: {failure}", file=sys.stderr)
        return failure.status
    return 0


if __name__ == "__main__":
    sys.exit(main())
