"""No source file or script has more than 300 lines."""

from sources import CPP, SCRIPTS, finish, tracked

LONGEST = 300
NAMES = {"CMakeLists.txt", "Makefile"}


def is_source(path):
    return path.suffix in CPP + SCRIPTS or path.name in NAMES


lengths = [(path, len(path.read_text().splitlines())) for path in tracked() if is_source(path)]
finish([f"{path}: {lines} lines, {LONGEST} at most" for path, lines in lengths if lines > LONGEST])
