"""Builds under sanitizers with asserts enabled, and runs tests: sanitized.py fast KIND BUILD | nightly [KIND...]

`fast` (part of `make test`) runs what needs no LibTorch: the collectives, on every transport that works without a GPU.
`nightly` (`make test-sanitized`) uses the presets of CMakePresets.json and runs more tests.
KIND: asan, tsan.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-np"]
ENVIRONMENT = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    # Open MPI and LibTorch keep memory until they exit. LibTorch's containers also use memory that no instrumented
    # header has marked, and memory from one allocation function is freed with another's counterpart.
    "ASAN_OPTIONS": "detect_leaks=0:detect_container_overflow=0:alloc_dealloc_mismatch=0:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # Open MPI and LibTorch are not built for ThreadSanitizer, which cannot see how they synchronise their own accesses.
    "TSAN_OPTIONS": f"ignore_noninstrumented_modules=1:halt_on_error=1:suppressions={ROOT}/tests/sanitized/tsan.supp",
}
CONTRACT = ["mpi_contract_test", "host_reduction_test", "nccl_contract_test", "staged_contract_test"]  # that are there
# The one with threads of its own, and the one with most of the code.
FAST = {"tsan": ["host_reduction_test"], "asan": ["host_reduction_test", "nccl_contract_test"]}
# 2 GiB of messages test MPI's counts, not ours; injected faults leave threads that wait for ever.
NOT_HERE = "-*MovesMessagesThatAreLargerThanOneMpiCount*:NcclFaults.*"

# Trainings from end to end, each of which takes seconds in an ordinary build.
TRAININGS = [
    "tests/integration/test_invariance.py::test_the_mlp_gives_one_state",
    "tests/integration/test_saving.py",
    "tests/integration/test_run_folder.py",
]
# Tests in which our own threads work together. With LibTorch most accesses are in code that is not instrumented, so of
# those tests only the loader's is run, whose queue is ours.
THREADED = ["tree_test", "interruption_test", "metrics_server_test", "loader_test", "task_test", "decoder_test"]


def run(*command, **environment):
    """Runs `command`. If it fails, ends the script with all its output."""
    result = subprocess.run(
        [str(word) for word in command],
        cwd=ROOT,
        env=os.environ | ENVIRONMENT | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode != 0:
        sys.exit(f"{result.stdout[-20000:]}\n{' '.join(map(str, command))}: exit code {result.returncode}")
    return result.stdout


def targets_of(build):
    return set(re.findall(r"^(\w+): phony$", run("ninja", "-C", build, "-t", "targets", "all"), re.MULTILINE))


def build_all(build, wanted):
    """Builds those of `wanted` that this build has."""
    present = targets_of(build)
    targets = [target for target in wanted if target in present]
    run("ninja", "-C", build, "-j", os.cpu_count(), *targets)
    return targets


def run_contract(build, programs, sizes):
    for program in programs:
        for size in sizes:
            run(*MPIRUN, size, build / "bin" / program, f"--gtest_filter={NOT_HERE}")
            print(f"{program} on {size} ranks: nothing found", flush=True)


def run_programs(build, programs):
    for program in programs:
        run(build / "bin" / program)
        print(f"{program}: nothing found", flush=True)


def fast(kind, build):
    cuda = "OFF" if kind == "tsan" else "ON"
    run("cmake", "-S", ".", "-B", build, "-G", "Ninja", f"-DLOCKSTEP_SANITIZE={kind}", f"-DLOCKSTEP_CUDA={cuda}")
    run_contract(build, build_all(build, FAST[kind]), (1, 3))


def nightly(kind):
    build = ROOT / f"build-{kind}"
    run("cmake", "--preset", kind)
    if kind == "tsan":
        run_contract(build, build_all(build, CONTRACT), (1, 2, 3, 4, 8))
        run_programs(build, build_all(build, THREADED))
        return
    run_contract(build, build_all(build, CONTRACT), (1, 2, 3, 5))
    run_programs(build, build_all(build, sorted(path.stem for path in ROOT.glob("tests/unit/*_test.cpp"))))
    build_all(build, ["lockstep", "lockstep-worker"])
    print(
        run(
            ROOT / ".venv/bin/python3",
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *TRAININGS,
            LOCKSTEP_BIN=str(build / "bin"),
            PYTHONDONTWRITEBYTECODE="1",
        ),
        flush=True,
    )


parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parts = parser.add_subparsers(dest="part", required=True)
part = parts.add_parser("fast")
part.add_argument("kind", choices=["asan", "tsan"])
part.add_argument("build", type=Path)
part = parts.add_parser("nightly")
part.add_argument("kinds", nargs="*", default=["asan", "tsan"])
arguments = parser.parse_args()
if arguments.part == "fast":
    fast(arguments.kind, arguments.build.resolve())
else:
    for each in arguments.kinds:
        nightly(each)
