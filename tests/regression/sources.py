"""The files that the source rules examine: those that git tracks below the current folder."""

import subprocess
import sys
from pathlib import Path

CPP = (".cpp", ".hpp", ".cu", ".cuh", ".h")
SCRIPTS = (".py", ".sh", ".cmake")


def tracked(*suffixes):
    """Tracked files that exist, with one of the suffixes; all of them if none is given."""
    listed = subprocess.run(["git", "ls-files", "-z"], check=True, capture_output=True, text=True).stdout
    paths = [Path(name) for name in listed.split("\0") if name]
    return [path for path in paths if path.is_file() and (not suffixes or path.suffix in suffixes)]


def finish(problems):
    """Prints the problems; exits with status 1 if there are any."""
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
