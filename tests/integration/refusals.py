"""Runs commands that must be refused, with the launcher and with mpirun, and checks the messages."""

import gzip

from tests.support.idx_files import SIDE, Part, file_names, image_file, label_file
from tests.support.launching import LOCKSTEP, MPI_ENVIRONMENT, WORKER, mpirun, run, set_options

CONFIG, IO, DIVERGED = 2, 4, 6
COUNT = 320
STARTERS = ("launcher", "mpirun")


def start(starter, config, output, settings):
    options = [config, *set_options(settings), "--output", output]
    if starter == "launcher":
        return run([LOCKSTEP, "train", *options, "--ranks", "2"])
    return run(mpirun(3, [WORKER, *options]), environment=MPI_ENVIRONMENT)


def expect_error(outcome, exit_code, words):
    """The run ended with this exit code, and one rank printed, once, a message that has all the words."""
    assert outcome.exit_code == exit_code, outcome.output
    messages = [line for line in outcome.stderr.splitlines() if all(word in line for word in words)]
    assert len(messages) == 1, outcome.output
    assert "internal error" not in outcome.stderr and "terminate called" not in outcome.stderr


def expect_refused(outcome, exit_code, words):
    """The run ended with this error before it printed anything to standard output."""
    expect_error(outcome, exit_code, words)
    assert outcome.stdout == ""


def write_parts(folder, **files):
    """A valid data folder, with some of the files replaced: {"train_images": bytes before compression}."""
    folder.mkdir()
    part = Part(bytes(COUNT * SIDE * SIDE), bytes(number % 10 for number in range(COUNT)))
    for prefix, key in (("train", "train"), ("t10k", "test")):
        contents = {"images": image_file(part), "labels": label_file(part)}
        for name, (kind, content) in zip(file_names(prefix), contents.items(), strict=True):
            (folder / name).write_bytes(gzip.compress(files.get(f"{key}_{kind}", content), 1))
    return folder
