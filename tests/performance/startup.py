"""Time from the start of the command to the end of the first step: `lockstep train` and `mpirun lockstep-worker`
compared with `torchrun ddp_peer.py`, in turn, from their standard output. A first round warms the file cache and is not
counted."""

from tests.performance.commands import (
    TITLES,
    add_run_options,
    is_step,
    lockstep_command,
    peer_command,
    program_named,
    run_lockstep,
    run_peer,
    seconds_until,
    shown,
    without_lines,
    worker_command,
)
from tests.performance.measuring import alternate, figures_of, medians_of, require_programs, row

EXAMPLES = ("startup", "startup --models mlp --rounds 10")
GOAL = ("below", 1.0)
LABELS = {"lockstep_train": "lockstep train", "mpirun": "mpirun lockstep-worker"}


def add_options(parser):
    add_run_options(parser, models=("resnet20",), rounds=5)
    parser.set_defaults(steps=5)


def commands(options, model, folder="FOLDER"):
    said = "training.log_every_steps=1"
    return {
        "lockstep_train": lockstep_command(options, model, options.ranks, folder, said),
        "mpirun": worker_command(options, program_named("lockstep-worker"), model, options.ranks, folder, said),
        "torchrun": peer_command(options, model, "--announce-first-step"),
    }


def one_run(options, model, side):
    if side == "torchrun":
        run = run_peer(options, model, commands(options, model)[side])
        seconds = seconds_until(run, lambda line: line.get("event") == "first_step", "the peer")
    else:
        run = run_lockstep(options, model, options.ranks, lambda folder: commands(options, model, folder)[side])
        seconds = seconds_until(run, is_step(1), "lockstep")
    return run | {"seconds_to_first_step": seconds}


def rows_of(options, model, times):
    theirs = times["torchrun"]["median"]
    for side, label in LABELS.items():
        ours = times[side]["median"]
        yield row(
            f"from the command to the end of the first step: `{label}`, {TITLES[model]}, {options.ranks} ranks, "
            "beside `torchrun`",
            ours / theirs,
            f"{ours:.2f} and {theirs:.2f} s: {ours / theirs:.2f} times",
            GOAL,
        )


def measure_model(options, model):
    sides = {side: lambda side=side: one_run(options, model, side) for side in (*LABELS, "torchrun")}
    runs = alternate(
        options.rounds + 1,
        sides,
        lambda turn: f"{model}, s to the first step: " + figures_of(turn, "seconds_to_first_step"),
    )
    runs = {side: those[1:] for side, those in runs.items()}
    times = medians_of(runs, "seconds_to_first_step")
    return {
        "rows": list(rows_of(options, model, times)),
        "seconds_to_first_step": times,
        "runs": without_lines(runs),
        "settings": {side: shown(command) for side, command in commands(options, model).items()},
    }


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    for model in options.models:
        yield f"startup/{model}", measure_model(options, model)
