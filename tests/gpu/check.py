"""Checks everything that only a GPU can show, in at most 8 minutes: in parts with a time limit each, which can also be
run alone.

Each part ends with a line, PASS, FAIL or SKIP; figures go as JSON lines to figures.jsonl in $OUT or build/gpu-check."""

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.gpu.card import ROOT, Card, Failed
from tests.gpu.parts import PARTS, Skipped

TOTAL_SECONDS = 480
EXAMPLES = """Examples:
  tests/gpu/check.sh                    everything
  tests/gpu/check.sh kernels start      two parts
  OUT=/tmp/figures tests/gpu/check.sh speed
On a machine without compiler and Open MPI: tests/gpu/prepare.sh first, elsewhere.
Exit status: 0 when nothing failed, 1 otherwise, 2 for a part that there is not."""


def outcome_of(name, folder, figures, seconds):
    """Runs a part and prints its outcome; returns PASS, FAIL or SKIP."""
    begin = time.monotonic()
    _, function = PARTS[name]
    try:
        verdict, detail = "PASS", function(Card(name, folder / name, figures, seconds))
    except Failed as failure:
        verdict, detail = "FAIL", str(failure)
    except Skipped as reason:
        verdict, detail = "SKIP", str(reason)
    except Exception:  # an error in a part ends only that part
        verdict, detail = "FAIL", traceback.format_exc().replace("\n", " / ")
    print(f"{verdict} {name} ({time.monotonic() - begin:.0f} s): {detail}", flush=True)
    return verdict


def main():
    parser = argparse.ArgumentParser(
        prog="tests/gpu/check.sh",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="part", help="of those that --list names (default: all)")
    parser.add_argument("--list", action="store_true", help="name the parts, and end")
    parser.add_argument(
        "--patience", type=float, default=1, metavar="N", help="limits N times as long, for slow machines"
    )
    wanted = parser.parse_args()
    if wanted.list:
        for name, (seconds, function) in PARTS.items():
            print(f"{name:12} {seconds:3} s  {function.__doc__}")
        return 0
    if unknown := [name for name in wanted.parts if name not in PARTS]:
        parser.error(f"there is no part {', '.join(unknown)} (there are {', '.join(PARTS)})")
    output = Path(os.environ.get("OUT") or ROOT / "build" / "gpu-check")
    output.mkdir(parents=True, exist_ok=True)
    figures = output / "figures.jsonl"
    figures.write_text("")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="gpu-check-") as folder:
        last = begin + TOTAL_SECONDS * wanted.patience
        verdicts = [
            outcome_of(name, Path(folder), figures, min(PARTS[name][0] * wanted.patience, last - time.monotonic()))
            for name in wanted.parts or PARTS
        ]
    failed = verdicts.count("FAIL")
    print(
        f"{'FAIL' if failed else 'PASS'} all: {verdicts.count('PASS')} passed, {failed} failed, "
        f"{verdicts.count('SKIP')} skipped in {time.monotonic() - begin:.0f} s; figures in {figures}"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
