"""The commands that start the compared programs, and the options that they share."""

import argparse
import os
import sys
from pathlib import Path

from tests.performance import measuring
from tests.performance.measuring import HERE, RUN_FAILED, Failure, json_lines, lines_of, picked, result_of, run_folder

PEER = HERE / "ddp_peer.py"
TRAINING_SAMPLES = 60000  # of Fashion-MNIST
# Enough for medians over a few seconds; a step of ResNet-18 takes several seconds.
STEPS = {"resnet20": 60, "resnet18": 8, "mlp": 60}
TITLES = {"resnet20": "ResNet-20", "resnet18": "ResNet-18", "mlp": "MLP 784-4096-4096-10"}
LEAST_STEPS = 5  # the peer omits its first three


def config_of(model):
    return HERE / f"{model}.toml"


def add_run_options(parser, models=("resnet20", "mlp"), rounds=3):
    parser.add_argument("--models", nargs="+", default=list(models), choices=list(STEPS))
    parser.add_argument("--rounds", type=at_least(1), default=rounds, help=f"runs of each side ({rounds})")
    parser.add_argument("--steps", type=at_least(LEAST_STEPS), help="steps of each run (by model)")
    parser.add_argument("--ranks", type=at_least(1), default=2, help="(2)")
    parser.add_argument("--batch", type=at_least(1), default=256, help="samples a step over all ranks (256)")
    add_settings(parser)


def add_settings(parser):
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="a setting for lockstep (repeatable)"
    )


def at_least(least):
    def whole_number(text):
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"{value} is below {least}")
        return value

    return whole_number


def steps_of(options, model):
    return options.steps or STEPS[model]


def settings_of(options, model, *more):
    """The words after the configuration: as many steps as the peer takes, with the same batch size."""
    steps = steps_of(options, model)
    epochs = -(-steps // (TRAINING_SAMPLES // options.batch))
    settings = [
        f"training.batch_size={options.batch}",
        f"training.max_steps={steps}",
        f"training.epochs={epochs}",
        *more,
        *options.set,
    ]
    return [word for setting in settings for word in ("--set", setting)]


def lockstep_command(options, model, ranks, folder, *settings):
    return [
        str(program_named("lockstep")),
        "train",
        str(config_of(model)),
        "--ranks",
        str(ranks),
        "--output",
        str(folder),
        "--fresh",
        *settings_of(options, model, *settings),
    ]


def mpirun_prefix(ranks):
    """The words that `lockstep train --dry-run` prints: a rank that spins would keep others from running."""
    idle = ["--mca", "mpi_yield_when_idle", "1"] if ranks > len(os.sched_getaffinity(0)) else []
    return ["mpirun", "-np", str(ranks), "--bind-to", "none", "--use-hwthread-cpus", "--oversubscribe", *idle]


def worker_command(options, program, model, ranks, folder, *settings):
    return [
        *mpirun_prefix(ranks),
        str(program),
        str(config_of(model)),
        "--output",
        str(folder),
        "--fresh",
        *settings_of(options, model, *settings),
    ]


def torchrun(ranks):
    return [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(ranks)]


def peer_command(options, model, *more):
    return [
        *torchrun(options.ranks),
        str(PEER),
        "--model",
        model,
        "--batch",
        str(options.batch),
        "--steps",
        str(steps_of(options, model)),
        "--test-samples",
        "1000",
        *more,
    ]


def shown(command):
    """The command for people: paths relative to the repository's root, without temporary ones."""
    words = ["python3" if word == sys.executable else str(word) for word in command]
    return " ".join(words).replace(f"{measuring.ROOT}/", "")


def program_named(name):
    """A program named on the command line: a path, or the name of a built program."""
    return Path(name).resolve() if "/" in name else measuring.PROGRAMS / name


def run_lockstep(options, model, ranks, command_for):
    """Runs lockstep to its end with command_for(folder). Returns the figures of result.json, and `lines` with their
    times."""
    with run_folder(options, model) as folder:
        lines = lines_of(command_for(folder), options.timeout)
        result = result_of(folder)
    run = picked(
        result,
        {
            "images_per_second": "images_per_second",
            "step_ms": "step_ms_median",
            "steps": "steps",
            "ranks": "ranks",
            "state_hash": "state_hash",
            "test_accuracy": "test_accuracy",
            "seconds": "seconds",
        },
        "result.json",
    )
    return checked(options, run, model, ranks, "lockstep") | {"lines": lines}


def run_peer(options, model, command, extra=None):
    lines = lines_of(command, options.timeout, extra)
    objects = json_lines(line for _, line in lines if line.strip())
    if not lines or not objects:
        raise Failure(RUN_FAILED, f"the last line of the peer is not JSON: {lines[-1][1] if lines else 'no output'}")
    run = picked(
        objects[-1],
        {
            "images_per_second": "images_per_s",
            "step_ms": "ms_per_step",
            "step_ms_mean": "ms_per_step_mean",
            "steps": "steps",
            "ranks": "ranks",
            "threads_per_rank": "threads_per_rank",
            "test_accuracy": "test_accuracy",
            "allocator": "allocator",
        },
        "the peer's last line",
    )
    return checked(options, run, model, options.ranks, "the peer") | {"lines": lines}


def checked(options, run, model, ranks, who):
    for key, expected in (("steps", steps_of(options, model)), ("ranks", ranks)):
        if run[key] != expected:
            raise Failure(RUN_FAILED, f"{who} reports {key} = {run[key]}, but was asked for {expected}")
    run["load_average_after"] = round(os.getloadavg()[0], 2)
    return run


def without_lines(runs):
    """The part of the runs that goes into the file of results."""
    return {
        side: [{key: value for key, value in run.items() if key != "lines"} for run in those]
        for side, those in runs.items()
    }


def seconds_until(run, is_wanted, who):
    """Seconds from the start of the command to the first JSON line for which is_wanted(line)."""
    for seconds, line in run["lines"]:
        if any(is_wanted(value) for value in json_lines([line])):
            return seconds
    raise Failure(RUN_FAILED, f"{who} printed no line about the end of the step that is timed")


def is_step(number):
    return lambda line: line.get("event") == "step" and line.get("step") == number
