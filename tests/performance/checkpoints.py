"""Cost of a checkpoint every 10 steps: the time of all steps together, saving included, beside a run that saves none.

Timed is the way from the line about step 1 to the line about the last step, as they come out of the program: what
happens between two steps counts, and the checkpoint at the end of a run, which both have, does not. With 61 steps
those are 60 steps and 6 checkpoints."""
from commands import (TITLES, add_run_options, seconds_until, is_step, lockstep_command, program_named, run_lockstep, shown,
                      steps_of, without_lines)
from measuring import alternate, medians_of, require_one_hash, require_programs, row

EXAMPLES = ("checkpoints --models mlp --steps 61", "checkpoints --every 5 --rounds 5")
GOAL = ("at most", 1.02)


def add_options(parser):
    add_run_options(parser)
    parser.set_defaults(steps=61)
    parser.add_argument("--every", type=int, default=10, help="steps between two checkpoints (10)")


def settings(every):
    return ["training.log_every_steps=1", "checkpoint.every_epochs=0", f"checkpoint.every_steps={every}"]


def measure_model(options, model):
    def run(every):
        done = run_lockstep(options, model, options.ranks, lambda folder: lockstep_command(
            options, model, options.ranks, folder, *settings(every)))
        begin, end = (seconds_until(done, is_step(number), "lockstep") for number in (1, steps_of(options, model)))
        return done | {"seconds_in_steps": end - begin}
    runs = alternate(options.rounds, {"saving": lambda: run(options.every), "without": lambda: run(0)},
                     lambda turn: f"{model}, s: " + ", ".join(f"{side} {r['seconds_in_steps']:.2f}" for side, r in turn.items()))
    require_one_hash(model, runs["saving"] + runs["without"])
    times = medians_of(runs, "seconds_in_steps")
    saving, without = times["saving"]["median"], times["without"]["median"]
    count = (steps_of(options, model) - 1) // options.every
    return {"rows": [row(f"a checkpoint every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
                         saving / without, f"{saving:.2f} and {without:.2f} s for {steps_of(options, model) - 1} steps, "
                         f"{count} checkpoints: {saving / without:.3f} times", GOAL)],
            "seconds_in_steps": times, "settings": {"every": options.every, "ranks": options.ranks, "command": shown(
                lockstep_command(options, model, options.ranks, "FOLDER", *settings(options.every)))},
            "runs": without_lines(runs)}


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    for model in options.models:
        yield f"checkpoints/{model}", measure_model(options, model)
