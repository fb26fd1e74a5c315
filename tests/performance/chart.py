"""The bar chart of docs/training_speed.svg, drawn from the table of figures in docs/performance.md.

Each model has two bars: lockstep, and PyTorch DDP over gloo on the same machine as 1. The colours follow the reader's
light or dark mode.
"""

import re
from typing import NamedTuple

from tests.performance.measuring import Failure

PEER = "PyTorch DDP over gloo"
MEASURE = re.compile(rf"(?P<model>[^,|]+), batch (?P<batch>\d+), (?P<ranks>\d+) ranks, beside {PEER}$")
FIGURE = re.compile(r"(?P<ours>\d+) and (?P<theirs>\d+) images/s: (?P<ratio>[\d.]+) times$")

# In pixels: start of the bars, height of a bar and of a model's lines, longest bar, total width.
LEFT, TOP, BAR, LINE, WIDEST, WIDTH = 170, 44, 18, 58, 300, 720
STYLE = """\
    text { font: 13px sans-serif; fill: #1f2328; }
    .title { font-weight: 600; }
    .ours { fill: #0969da; }
    .theirs { fill: #8c959f; }
    @media (prefers-color-scheme: dark) {
      text { fill: #e6edf3; }
      .ours { fill: #4493f8; }
      .theirs { fill: #656c76; }
    }"""


class Speed(NamedTuple):
    model: str
    batch: str
    ranks: str
    ours: str
    theirs: str
    ratio: float


def speeds_in(table):
    """Yields the training speeds of lockstep and of the peer in the lines of a table, in their order."""
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) < 2 or not (measure := MEASURE.match(cells[0])):
            continue
        if not (figure := FIGURE.match(cells[1])):
            raise Failure(1, f"cannot draw `{cells[1]}` (it has no two speeds and their ratio)")
        yield Speed(*measure.groups(), figure["ours"], figure["theirs"], float(figure["ratio"]))


def bar(kind, y, width, words):
    return [
        f'  <rect class="{kind}" x="{LEFT}" y="{y}" width="{width:.0f}" height="{BAR}"/>',
        f'  <text x="{LEFT + width + 8:.0f}" y="{y + 14}">{words}</text>',
    ]


def bars(speed, number, per_time):
    y = TOP + number * LINE
    return [
        f'  <text x="{LEFT - 10}" y="{y + 25}" text-anchor="end">{speed.model}</text>',
        *bar("ours", y, per_time * speed.ratio, f"lockstep: {speed.ours} images/s, {speed.ratio:g} times"),
        *bar("theirs", y + BAR + 2, per_time, f"PyTorch DDP: {speed.theirs} images/s"),
    ]


def drawn(table):
    """The chart, as SVG."""
    speeds = list(speeds_in(table))
    if not speeds:
        raise Failure(1, f"the table has no figure beside {PEER} to draw (measure with `bench training`)")
    [(batch, ranks), *others] = {(speed.batch, speed.ranks) for speed in speeds}
    if others:
        raise Failure(1, "the figures of one chart must have one batch size and one number of ranks")
    per_time = WIDEST / max(1.0, *(speed.ratio for speed in speeds))
    title = f"Training speed with {ranks} ranks and batch {batch} ({PEER} = 1)"
    height = TOP + len(speeds) * LINE
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">',
        f"  <style>\n{STYLE}\n  </style>",
        f'  <text class="title" x="10" y="22">{title}</text>',
    ]
    for number, speed in enumerate(speeds):
        lines += bars(speed, number, per_time)
    return "\n".join([*lines, "</svg>", ""])
