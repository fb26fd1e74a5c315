"""plant.py SOURCE OUT LINE [NEW]: writes SOURCE to OUT with one line changed: the only line that reads LINE becomes
NEW, or is removed. Fails if there is no such line, or more than one, so that a planted mistake cannot get lost when the
source changes."""

import sys
from pathlib import Path

source, out, line = sys.argv[1:4]
text = Path(source).read_text()
if text.count(line) != 1:
    sys.exit(f"{source} has {text.count(line)} times: {line}")
Path(out).parent.mkdir(parents=True, exist_ok=True)
Path(out).write_text(text.replace(line, sys.argv[4] if len(sys.argv) > 4 else ""))
