"""Builds with sanitizers and asserts, and runs tests: sanitized.py fast KIND BUILD [-D...] | nightly [KIND...]

`fast` (part of `make test`) builds what needs no LibTorch, with the settings -D... of the calling build: under asan
host_reduction_test and, if that build has CUDA, nccl_contract_test (on the double); under tsan host_reduction_test.
`nightly` (`make test-sanitized`) uses the presets of CMakePresets.json, which leave out CUDA: the contracts of MPI and
of shared memory; under asan also the unit tests and some trainings, under tsan unit tests with threads of our own.
KIND: asan, tsan.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
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
CONTRACT = ["mpi_contract_test", "host_reduction_test", "nccl_contract_test", "staged_contract_test"]
ONLY_WITH_CUDA = {
    "nccl_contract_test",
    "staged_contract_test",
    "gpu_fault_test",
    "gpu_phases_test",
    "nvml_test",
    "update_kernels_test",
}
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
THREADED = ["tree_test", "interruption_test", "metrics_server_test", "loader_test", "proc_stat_test", "decoder_test"]


PROGRAM_SECONDS = 600
TRAINING_SECONDS = 3600
BUILD_SECONDS = 3 * 3600


def without_random_addresses():
    """What to put before a command: GCC 13's ThreadSanitizer cannot start with vm.mmap_rnd_bits=32 (Ubuntu 24.04)."""
    prefix = ["setarch", "-R"]
    works = shutil.which("setarch") and subprocess.run([*prefix, "true"], capture_output=True).returncode == 0
    return prefix if works else []


def end(process):
    """Interrupts it, so that mpirun and pytest end what they have started; kills it if that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def run(*command, seconds=PROGRAM_SECONDS, **environment):
    """Runs `command`. If it fails or takes longer than `seconds`, ends the script with all its output."""
    words = [*without_random_addresses(), *map(str, command)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            words, cwd=ROOT, env=os.environ | ENVIRONMENT | environment, stdout=output, stderr=subprocess.STDOUT
        )
        problem = None
        try:
            if process.wait(seconds) != 0:
                problem = f"exit code {process.returncode}"
        except subprocess.TimeoutExpired:
            end(process)
            problem = f"not finished within {seconds} s"
        output.seek(0)
        said = output.read().decode(errors="replace")
    if problem:
        sys.exit(f"{said[-20000:]}\n{' '.join(words)}: {problem}")
    return said


def cached(build, name):
    """The value that CMake has found or was given."""
    return re.search(rf"^{name}:\w+=(.*)$", (build / "CMakeCache.txt").read_text(), re.MULTILINE).group(1)


def build_all(build, wanted):
    """Builds `wanted`, but without CUDA not what needs it; returns what was built."""
    present = set(re.findall(r"^([\w-]+): phony$", run("ninja", "-C", build, "-t", "targets", "all"), re.MULTILINE))
    missing = set(wanted) - present
    if cached(build, "LOCKSTEP_CUDA") == "OFF":
        missing -= ONLY_WITH_CUDA
    if missing:
        sys.exit(f"{build} has no {', '.join(sorted(missing))} (renamed?): correct tests/sanitized/sanitized.py")
    targets = [target for target in wanted if target in present]
    run("ninja", "-C", build, "-j", os.cpu_count(), *targets, seconds=BUILD_SECONDS)
    return targets


def run_contract(build, programs, sizes):
    mpirun = [cached(build, "MPIEXEC_EXECUTABLE"), "--oversubscribe", "--bind-to", "none", "-np"]
    for program in programs:
        for size in sizes:
            run(*mpirun, size, build / "bin" / program, f"--gtest_filter={NOT_HERE}")
            print(f"{program} on {size} ranks: nothing found", flush=True)


def run_programs(build, programs):
    for program in programs:
        run(build / "bin" / program)
        print(f"{program}: nothing found", flush=True)


def fast(kind, build, settings):
    run("cmake", "-S", ".", "-B", build, "-G", "Ninja", f"-DLOCKSTEP_SANITIZE={kind}", *settings)
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
            seconds=TRAINING_SECONDS,
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
part.add_argument("settings", nargs=argparse.REMAINDER, metavar="-D...", help="for CMake")
part = parts.add_parser("nightly")
part.add_argument("kinds", nargs="*", default=["asan", "tsan"])
arguments = parser.parse_args()
if arguments.part == "fast":
    fast(arguments.kind, arguments.build.resolve(), arguments.settings)
else:
    for each in arguments.kinds:
        nightly(each)
