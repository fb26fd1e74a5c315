"""Cost of a checkpoint every 10 steps: the time of all steps together, saving included, beside a run that saves none.

Timed is the way from the line about step 1 to the line about the last step, as they come out of the program: what
happens between two steps counts, and the checkpoint at the end of a run, which both have, does not. With 61 steps
those are 60 steps and 6 checkpoints."""
from commands import (TITLES, add_run_options, at_least, is_step, lockstep_command, program_named, run_lockstep,
                      seconds_until, shown, steps_of, without_lines)
from measuring import alternate, figures_of, medians_of, require_one_hash, require_programs, row

EXAMPLES = ("checkpoints --models mlp --steps 61", "checkpoints --every 5 --rounds 5")
GOAL = ("at most", 1.02)


def add_options(parser):
    add_run_options(parser)
    parser.set_defaults(steps=61)
    parser.add_argument("--every", type=at_least(1), default=10, help="steps between two checkpoints (10)")


def command(options, model, every, folder="FOLDER"):
    return lockstep_command(options, model, options.ranks, folder, "training.log_every_steps=1",
                            "checkpoint.every_epochs=0", f"checkpoint.every_steps={every}")


def one_run(options, model, every):
    run = run_lockstep(options, model, options.ranks, lambda folder: command(options, model, every, folder))
    begin, end = (seconds_until(run, is_step(number), "lockstep") for number in (1, steps_of(options, model)))
    return run | {"seconds_in_steps": end - begin}


def row_of(options, model, times):
    saving, without = times["saving"]["median"], times["without"]["median"]
    steps = steps_of(options, model) - 1
    return row(f"a checkpoint every {options.every} steps: {TITLES[model]}, {options.ranks} ranks, beside none",
               saving / without, f"{saving:.2f} and {without:.2f} s for {steps} steps with "
               f"{steps // options.every} checkpoints: {saving / without:.3f} times", GOAL)


def measure_model(options, model):
    sides = {"saving": lambda: one_run(options, model, options.every), "without": lambda: one_run(options, model, 0)}
    runs = alternate(options.rounds, sides, lambda turn: f"{model}, s: {figures_of(turn, 'seconds_in_steps')}")
    require_one_hash(model, runs["saving"] + runs["without"])
    times = medians_of(runs, "seconds_in_steps")
    return {"rows": [row_of(options, model, times)], "seconds_in_steps": times, "runs": without_lines(runs),
            "settings": {"every": options.every, "ranks": options.ranks, "steps": steps_of(options, model),
                         "saving": shown(command(options, model, options.every))}}


def measure(options):
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    for model in options.models:
        yield f"checkpoints/{model}", measure_model(options, model)
