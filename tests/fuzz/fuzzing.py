"""Runs libFuzzer on the readers of external bytes: python -m tests.fuzz.fuzzing [--seconds 60] [TARGET...]

Builds build-fuzz with clang. Inputs that fail are in build-fuzz/found: fix the reader, and keep the file in
tests/fuzz/crashes.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz import seeds

ROOT = seeds.ROOT
CRASHES = Path(__file__).parent / "crashes"
BUILD = ROOT / "build-fuzz"
PROGRAM = BUILD / "bin/fuzz_readers"
MEGABYTES, SECONDS = 1024, 10  # limits of one call of a reader
# AddressSanitizer holds freed memory back (its quarantine), which is not the reader's use.
ENVIRONMENT = {
    "ASAN_OPTIONS": "quarantine_size_mb=16:detect_stack_use_after_return=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
}


def build():
    """Builds with clang, which takes minutes; CI does not."""
    if not shutil.which("clang++"):
        sys.exit("there is no clang (libFuzzer comes with it) install it: apt-get install clang libclang-rt-dev")
    for command in (["cmake", "--preset", "fuzz"], ["ninja", "-C", BUILD, "fuzz_readers"]):
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if result.returncode != 0:
            sys.exit(f"{result.stdout[-4000:]}{result.stderr}")


@contextlib.contextmanager
def memory():
    """The environment of a target whose scratch folder is in memory: some readers sync what they write."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield {"TMPDIR": folder}


def run(target, inputs, seconds, corpus, found):
    """The end of libFuzzer's output if a reader failed, else None."""
    for folder in (corpus / target, found):
        folder.mkdir(parents=True, exist_ok=True)
    folders = [corpus / target, *(folder / target for folder in inputs if (folder / target).is_dir())]
    command = [
        PROGRAM,
        target,
        f"-max_total_time={seconds}",
        f"-timeout={SECONDS}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-malloc_limit_mb={MEGABYTES}",
        "-max_len=8192",
        "-print_final_stats=1",
        "-verbosity=0",
        f"-artifact_prefix={found}/{target}-",
        *folders,
    ]
    with memory() as environment:
        result = subprocess.run(
            list(map(str, command)),
            cwd=found,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | ENVIRONMENT | environment,
            timeout=seconds + 300,
        )
    if result.returncode == 0:
        return None
    return f"{target}: exit code {result.returncode}\n{result.stderr[-6000:]}"


def fuzz(inputs, seconds, work, targets=()):
    """The failures of all targets. Each target runs for `seconds`, one per core at a time."""
    build()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [
            pool.submit(run, target, inputs, seconds, work / "corpus", work / "found")
            for target in targets or sorted(seeds.MADE)
        ]
        return [failure for run_ in runs if (failure := run_.result())]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("targets", nargs="*", choices=[[], *sorted(seeds.MADE)], metavar="TARGET")
    arguments = parser.parse_args()
    seeds.write(BUILD / "seeds")
    failures = fuzz([BUILD / "seeds", CRASHES], arguments.seconds, BUILD, arguments.targets)
    print("\n".join(failures) or "nothing was found")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
