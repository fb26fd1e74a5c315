"""The time of all steps of a run with some settings, compared with the same run with others, in turn.

The time runs from the output line of step 1 to that of the last step. It includes what happens between steps, and
excludes what a run does at its end. All runs must end with the same state hash."""

from tests.performance.commands import (
    add_run_options,
    at_least,
    is_step,
    lockstep_command,
    program_named,
    run_lockstep,
    seconds_until,
    shown,
    steps_of,
    without_lines,
)
from tests.performance.measuring import alternate, figures_of, medians_of, require_one_hash, require_programs


def add_options(parser, steps, things):
    """Options for a measure of `things` that happen every --every steps."""
    add_run_options(parser)
    parser.set_defaults(steps=steps)
    parser.add_argument("--every", type=at_least(1), default=10, help=f"steps between two {things} (10)")


def command(options, model, settings, folder="FOLDER"):
    return lockstep_command(
        options, model, options.ranks, folder, "training.log_every_steps=1", "checkpoint.every_epochs=0", *settings
    )


def one_run(options, model, settings):
    run = run_lockstep(options, model, options.ranks, lambda folder: command(options, model, settings, folder))
    begin, end = (seconds_until(run, is_step(number), "lockstep") for number in (1, steps_of(options, model)))
    return run | {"seconds_in_steps": end - begin}


def compare(options, things, sides, row_of):
    """Measures one part for each model. `sides`: {name: settings}. `row_of` makes the row from options, model and
    {name: median}."""
    require_programs(program_named("lockstep"), program_named("lockstep-worker"))
    for model in options.models:
        yield f"{things}/{model}", compare_model(options, model, sides, row_of)


def compare_model(options, model, sides, row_of):
    runs = alternate(
        options.rounds,
        {name: lambda settings=settings: one_run(options, model, settings) for name, settings in sides.items()},
        lambda turn: f"{model}, s: {figures_of(turn, 'seconds_in_steps')}",
    )
    require_one_hash(model, [run for of_side in runs.values() for run in of_side])
    times = medians_of(runs, "seconds_in_steps")
    return {
        "rows": [row_of(options, model, {name: time["median"] for name, time in times.items()})],
        "seconds_in_steps": times,
        "runs": without_lines(runs),
        "settings": {"ranks": options.ranks, "steps": steps_of(options, model)}
        | {name: shown(command(options, model, settings)) for name, settings in sides.items()},
    }
