"""Builds under sanitizers and runs tests in them, with asserts live: sanitized.py fast KIND BUILD | nightly [KIND...]

`fast` (a part of `make test`) has what needs no LibTorch: the collectives, on every kind of transport that works
without a GPU. `nightly` (`make test-sanitized`) takes the presets of CMakePresets.json and more tests.
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
    # Open MPI keeps memory to its end, and so does LibTorch, in whose containers memory is used that no header of ours
    # has marked; it also takes memory with one allocator's function and gives it back with another's.
    "ASAN_OPTIONS": "detect_leaks=0:detect_container_overflow=0:alloc_dealloc_mismatch=0:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1",
    # Open MPI and LibTorch are not built for ThreadSanitizer, which does not see how they order their own accesses.
    "TSAN_OPTIONS": f"ignore_noninstrumented_modules=1:halt_on_error=1:suppressions={ROOT}/tests/sanitized/tsan.supp",
}
CONTRACT = ["mpi_contract_test", "host_reduction_test", "nccl_contract_test", "staged_contract_test"]  # that are there
# The one with threads of its own, and the one with most of the code.
FAST = {"tsan": ["host_reduction_test"], "asan": ["host_reduction_test", "nccl_contract_test"]}
# 2 GiB of messages are a test of MPI's counts, not of ours; faults end in threads that wait for ever.
NOT_HERE = "-*MovesMessagesThatAreLargerThanOneMpiCount*:NcclFaults.*"

# Trainings from end to end, of which each takes seconds in a usual build.
TRAININGS = [
    "tests/integration/test_invariance.py::test_the_mlp_gives_one_state",
    "tests/integration/test_saving.py",
    "tests/integration/test_run_folder.py",
]
# In these, threads of ours work together. Those with LibTorch in them have most of their accesses in code that is not
# instrumented: of these only the loader's, whose queue is ours.
THREADED = ["tree_test", "interruption_test", "metrics_server_test", "loader_test", "task_test", "decoder_test"]


def run(*command, **environment):
    """Ends the script where `command` fails, with all that it said."""
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
    """Those of `wanted` that the build has."""
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
