#!/usr/bin/env python3
"""Compares the speed of training with PyTorch DDP over gloo on this machine, the two taking turns.

  .venv/bin/python3 tests/performance/bench.py --pairs 3 --steps 60

For each model, lockstep and tests/performance/ddp_peer.py run in turn (A B A B ...), each for the same number of
steps with the same global batch, so that a drift of the machine meets both. Prints the medians, their spread and
the ratio of the medians, and writes everything to build/bench/training.json. All runs of lockstep on one model
must end with one state hash; --check-equal adds a run on one rank, which must end with it too. Reading of data and
evaluation are in neither figure. images/s leaves out the peer's first three steps but counts all of lockstep's.

Exit status: 0 done, 1 it cannot start, 2 wrong options, 3 a run failed or said nothing usable, 4 the hashes differ.
"""
import argparse
import datetime
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LOCKSTEP = ROOT / "build/bin/lockstep"
PEER = HERE / "ddp_peer.py"
TRAINING_SAMPLES = 60000  # of Fashion-MNIST
# Both programs get their own defaults, not what the caller's shell happens to set.
DROPPED = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "LD_PRELOAD", "MALLOC_CONF")
CANNOT_START, RUN_FAILED, HASHES_DIFFER = 1, 3, 4  # argparse leaves with 2


class Failure(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def config_of(model):
    return HERE / f"{model}.toml"


def lockstep_command(options, model, ranks, folder):
    epochs = -(-options.steps // (TRAINING_SAMPLES // options.batch))
    settings = [f"training.batch_size={options.batch}", f"training.max_steps={options.steps}",
                f"training.epochs={epochs}", *options.set]
    return [str(LOCKSTEP), "train", str(config_of(model)), "--ranks", str(ranks), "--output", str(folder),
            "--fresh", *(word for setting in settings for word in ("--set", setting))]


def peer_command(options, model):
    return [sys.executable, "-m", "torch.distributed.run", "--standalone",
            "--nproc-per-node", str(options.ranks), str(PEER), "--model", model, "--batch", str(options.batch),
            "--steps", str(options.steps), "--test-samples", "1000"]


def output_of(command, timeout_s):
    """Standard output of a program that must succeed; its last words go into the failure."""
    environment = {name: value for name, value in os.environ.items() if name not in DROPPED}
    # A process group of its own, so that a run that hangs is ended with everything it started.
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          text=True, env=environment, start_new_session=True) as process:
        try:
            output, errors = process.communicate(timeout=timeout_s)
        except BaseException as ending:
            process.terminate()  # lockstep and torchrun end their ranks themselves
            try:
                process.communicate(timeout=30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, 9)
            if isinstance(ending, subprocess.TimeoutExpired):
                raise Failure(RUN_FAILED, f"no end within {timeout_s} s: {' '.join(command)}") from None
            raise
    if process.returncode != 0:
        last = "\n".join((output + errors).strip().splitlines()[-15:])
        raise Failure(RUN_FAILED, f"exit status {process.returncode} from: {' '.join(command)}\n{last}")
    return output


def picked(source, keys, origin):
    """{new name: number or text} from a parsed JSON object."""
    missing = [key for key in keys.values() if key not in source]
    if missing:
        raise Failure(RUN_FAILED, f"{origin} lacks {', '.join(missing)}")
    return {name: source[key] for name, key in keys.items()}


def run_lockstep(options, model, ranks):
    parent = Path(tempfile.mkdtemp(prefix=f"{model}-", dir=options.output.parent))
    folder = parent / "run"
    try:
        output_of(lockstep_command(options, model, ranks, folder), options.timeout)
        path = folder / "result.json"
        try:
            result = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise Failure(RUN_FAILED, f"lockstep left no readable {path.name} ({error})") from None
    finally:
        shutil.rmtree(parent, ignore_errors=True)
    run = picked(result, {"images_per_second": "images_per_second", "step_ms": "step_ms_median", "steps": "steps",
                          "ranks": "ranks", "state_hash": "state_hash", "test_accuracy": "test_accuracy",
                          "seconds": "seconds"}, "result.json")
    return checked(options, run, ranks, "lockstep")


def run_peer(options, model):
    lines = [line for line in output_of(peer_command(options, model), options.timeout).splitlines() if line.strip()]
    try:
        result = json.loads(lines[-1])
    except (IndexError, ValueError):
        said = lines[-1] if lines else "no output"
        raise Failure(RUN_FAILED, f"the last line of the peer is not JSON: {said}") from None
    run = picked(result, {"images_per_second": "images_per_s", "step_ms": "ms_per_step",
                          "step_ms_mean": "ms_per_step_mean", "steps": "steps", "ranks": "ranks",
                          "threads_per_rank": "threads_per_rank", "test_accuracy": "test_accuracy"},
                 "the peer's last line")
    return checked(options, run, options.ranks, "the peer")


def checked(options, run, ranks, who):
    for key, expected in (("steps", options.steps), ("ranks", ranks)):
        if run[key] != expected:
            raise Failure(RUN_FAILED, f"{who} reports {key} = {run[key]}, but was asked for {expected}")
    run["load_average_after"] = round(os.getloadavg()[0], 2)
    return run


def spread(runs, key):
    values = sorted(run[key] for run in runs)
    return {"median": statistics.median(values), "lowest": values[0], "highest": values[-1]}


def summary(lockstep, peer):
    """Medians over the runs; the ratios are above 1 where lockstep is faster."""
    sides = {"lockstep": lockstep, "peer": peer}
    result = {side: {"images_per_second": spread(runs, "images_per_second"), "step_ms": spread(runs, "step_ms"),
                     "runs": runs} for side, runs in sides.items()}
    median = {(side, key): result[side][key]["median"] for side in sides for key in ("images_per_second", "step_ms")}
    result["images_per_second_ratio"] = (median["lockstep", "images_per_second"] /
                                         median["peer", "images_per_second"])
    result["step_time_ratio"] = median["peer", "step_ms"] / median["lockstep", "step_ms"]
    return result


def require_one_hash(model, runs):
    if len({run["state_hash"] for run in runs}) != 1:
        ended = ", ".join(f"{run['ranks']} ranks: {run['state_hash']}" for run in runs)
        raise Failure(HASHES_DIFFER, f"{model}: runs of one configuration end in different states ({ended})")


def bench_model(options, model):
    lockstep, peer = [], []
    for pair in range(options.pairs):
        lockstep.append(run_lockstep(options, model, options.ranks))
        peer.append(run_peer(options, model))
        print(f"  {model} pair {pair + 1} of {options.pairs}: lockstep {lockstep[-1]['images_per_second']:.1f}, "
              f"DDP {peer[-1]['images_per_second']:.1f} images/s", flush=True)
    require_one_hash(model, lockstep)
    result = summary(lockstep, peer)
    result["configuration"] = tomllib.loads(config_of(model).read_text())
    if options.check_equal:
        alone = run_lockstep(options, model, 1)
        require_one_hash(model, lockstep + [alone])
        result["same_state_hash_on_1_rank"] = True
        print(f"  {model}: 1 rank and {options.ranks} ranks end with the state hash {alone['state_hash']}")
    return result


def first_line(command):
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip().splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def processor():
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine():
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {"processor": processor(), "usable_cores": len(os.sched_getaffinity(0)),
            "memory_gib": round(memory / 2**30, 1), "kernel": platform.release(), "python": platform.python_version(),
            "torch": importlib.metadata.version("torch"), "lockstep": first_line([str(LOCKSTEP), "--version"]),
            "commit": first_line(["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]),
            "mpi": first_line(["mpirun", "--version"]), "date": datetime.date.today().isoformat(),
            "load_average_before": round(os.getloadavg()[0], 2)}


def settings_of(options):
    ours, theirs = lockstep_command(options, "MODEL", options.ranks, "FOLDER"), peer_command(options, "MODEL")
    return {"ranks": options.ranks, "batch": options.batch, "steps": options.steps, "pairs": options.pairs,
            "lockstep_command": " ".join(ours).replace(f"{ROOT}/", ""),
            "peer_command": " ".join(["python3", *theirs[1:]]).replace(f"{ROOT}/", ""),
            "unset_for_both": [name for name in DROPPED if name in os.environ]}


def table(models):
    rows = [("model", "program", "images/s", "lowest - highest", "step, ms")]
    for model, result in models.items():
        for side, label in (("lockstep", "lockstep"), ("peer", "PyTorch DDP, gloo")):
            rate = result[side]["images_per_second"]
            rows.append((model, label, f"{rate['median']:.1f}", f"{rate['lowest']:.1f} - {rate['highest']:.1f}",
                         f"{result[side]['step_ms']['median']:.1f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    for model, result in models.items():
        lines.append(f"{model}: lockstep / DDP = {result['images_per_second_ratio']:.2f} by images/s, "
                     f"{result['step_time_ratio']:.2f} by the median step (ratios of medians)")
    return "\n".join(lines)


def options_from_command_line(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["resnet20", "mlp"], choices=["resnet20", "mlp"])
    parser.add_argument("--pairs", type=int, default=3, help="runs of each program on each model")
    parser.add_argument("--steps", type=int, default=60, help="steps of each run")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--batch", type=int, default=256, help="samples a step over all ranks")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE",
                        help="a setting for lockstep (repeatable)")
    parser.add_argument("--check-equal", action="store_true",
                        help="run lockstep on 1 rank too; it must end with the same state hash")
    parser.add_argument("--timeout", type=float, default=900, help="seconds after which a run is given up")
    parser.add_argument("--output", type=Path, default=ROOT / "build/bench/training.json")
    options = parser.parse_args(arguments)
    if min(options.pairs, options.ranks, options.batch) < 1 or options.steps < 10:
        parser.error("--pairs, --ranks and --batch start at 1, --steps at 10")
    return options


def main(arguments=None):
    options = options_from_command_line(arguments)
    try:
        for program in (LOCKSTEP, LOCKSTEP.with_name("lockstep-worker")):
            if not os.access(program, os.X_OK):
                raise Failure(CANNOT_START, f"{program} is missing (it is what is measured) build it with `make build`")
        try:
            facts = machine()
        except importlib.metadata.PackageNotFoundError:
            raise Failure(CANNOT_START, f"{sys.executable} has no torch, which the peer needs; use .venv/bin/python3 "
                                        "after `make setup-tests`") from None
        options.output.parent.mkdir(parents=True, exist_ok=True)
        models = {model: bench_model(options, model) for model in options.models}
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return failure.status
    report = {"machine": facts, "settings": settings_of(options), "models": models}
    options.output.write_text(json.dumps(report, indent=2) + "\n")
    print(f"{facts['processor']}, {facts['usable_cores']} cores; {options.ranks} ranks, batch {options.batch}, "
          f"{options.steps} steps, {options.pairs} runs each\n{table(models)}\nwritten to {options.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
