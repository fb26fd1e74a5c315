"""clang-format, with the repository's .clang-format, would change no C++ or CUDA file."""

import shutil
import subprocess
import sys

from sources import CPP, tracked

if not shutil.which("clang-format"):
    sys.exit("clang-format was not found; install the package clang-format")
files = tracked(*CPP)
if not files:
    sys.exit("no C++ file is tracked by git here")
sys.exit(subprocess.run(["clang-format", "--dry-run", "-Werror", *files]).returncode)
