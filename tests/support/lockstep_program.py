"""The program under test, run as a user runs it."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKSTEP = str(Path(os.environ["LOCKSTEP_BIN"], "lockstep"))


def lockstep(*arguments, cwd=None, timeout=60):
    """Runs `lockstep ARGUMENTS`; the result has returncode, stdout and stderr. Raises if it takes longer than `timeout`
    s."""
    return subprocess.run(
        [LOCKSTEP, *map(os.fspath, arguments)],
        cwd=cwd,
        timeout=timeout,
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
    )
