"""ruff, with the repository's pyproject.toml, would change no Python file and finds nothing wrong in any."""

import importlib.util
import subprocess
import sys

from sources import tracked

if not importlib.util.find_spec("ruff"):
    sys.exit("ruff was not found; install it into .venv with: ./setup.sh tests")
files = tracked(".py")
if not files:
    sys.exit("no Python file is tracked by git here")
ruff = [sys.executable, "-m", "ruff"]
commands = (
    [*ruff, "format", "--no-cache", "--quiet", "--diff", *files],
    [*ruff, "check", "--no-cache", "--quiet", "--output-format", "concise", *files],
)
sys.exit(max(subprocess.run(command).returncode for command in commands))
