"""Training speed compared with PyTorch DDP over gloo: as users run it, and with jemalloc preloaded; all three in turn.

The images per second are compared. The peer's first three steps are left out, lockstep's are all counted. Neither
figure includes reading data or evaluation. All runs of lockstep on one model must end with the same state hash."""

import tomllib

from tests.performance.commands import (
    TITLES,
    add_run_options,
    config_of,
    lockstep_command,
    peer_command,
    program_named,
    run_lockstep,
    run_peer,
    shown,
    steps_of,
    without_lines,
)
from tests.performance.measuring import (
    CANNOT_START,
    RUN_FAILED,
    Failure,
    alternate,
    figures_of,
    lines_of,
    medians_of,
    require_one_hash,
    require_programs,
    row,
)

EXAMPLES = ("training --rounds 3 --models resnet20", "training --models mlp --steps 16 --check-equal")
GOALS = {"resnet20": 1.5, "resnet18": 1.3, "mlp": 2.0}
JEMALLOC = "libjemalloc.so.2"
PEERS = {
    "ddp": ("PyTorch DDP over gloo", "the C library's", None),
    "ddp_jemalloc": ("the same with jemalloc preloaded", "jemalloc", {"LD_PRELOAD": JEMALLOC}),
}


def add_options(parser):
    add_run_options(parser, models=("resnet20", "resnet18", "mlp"))
    parser.add_argument(
        "--check-equal", action="store_true", help="run lockstep on 1 rank too; it must end with the same state hash"
    )


def require_jemalloc():
    """Fails if jemalloc is missing: the dynamic linker only warns about a missing library to preload."""
    maps = lines_of(["cat", "/proc/self/maps"], 10, {"LD_PRELOAD": JEMALLOC})
    if not any("libjemalloc" in line for _, line in maps):
        raise Failure(CANNOT_START, f"{JEMALLOC} cannot be preloaded (it is not found); install libjemalloc2")


def run_ours(options, model, ranks):
    return run_lockstep(options, model, ranks, lambda folder: lockstep_command(options, model, ranks, folder))


def run_theirs(options, model, allocator, extra):
    run = run_peer(options, model, peer_command(options, model), extra)
    if run["allocator"] != allocator:
        raise Failure(RUN_FAILED, f"the peer ran on {run['allocator']} memory allocation, not on {allocator}")
    return run


def rows_of(options, model, rates):
    ours = rates["lockstep"]["median"]
    for side, (label, _, _) in PEERS.items():
        theirs = rates[side]["median"]
        goal = ("at least", GOALS[model]) if side == "ddp" else ("above", 1.0)
        yield row(
            f"{TITLES[model]}, batch {options.batch}, {options.ranks} ranks, beside {label}",
            ours / theirs,
            f"{ours:.0f} and {theirs:.0f} images/s: {ours / theirs:.2f} times",
            goal,
        )


def measure_model(options, model):
    sides = {"lockstep": lambda: run_ours(options, model, options.ranks)}
    for side, (_, allocator, extra) in PEERS.items():
        sides[side] = lambda allocator=allocator, extra=extra: run_theirs(options, model, allocator, extra)
    runs = alternate(options.rounds, sides, lambda turn: f"{model}, images/s: " + figures_of(turn, "images_per_second"))
    require_one_hash(model, runs["lockstep"])
    if options.check_equal:
        require_one_hash(model, runs["lockstep"] + [run_ours(options, model, 1)])
    rates, steps = medians_of(runs, "images_per_second"), medians_of(runs, "step_ms")
    return {
        "rows": list(rows_of(options, model, rates)),
        "images_per_second": rates,
        "step_ms": steps,
        "step_time_ratio": steps["ddp"]["median"] / steps["lockstep"]["median"],
        "same_state_hash_on_1_rank": options.check_equal or None,
        "settings": {
            "ranks": options.ranks,
            "batch": options.batch,
            "steps": steps_of(options, model),
            "lockstep": shown(lockstep_command(options, model, options.ranks, "FOLDER")),
            "peer": shown(peer_command(options, model)),
            "configuration": tomllib.loads(config_of(model).read_text()),
        },
        "runs": without_lines(runs),
    }


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    require_jemalloc()
    for model in options.models:
        yield f"training/{model}", measure_model(options, model)
