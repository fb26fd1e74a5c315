"""The programs as a user meets them: help, versions, what starts the ranks, and their requirements."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.test_programs_output import EVENTS
from tests.support.launching import (
    LOCKSTEP,
    MPI_ENVIRONMENT,
    QUICKSTART,
    WORKER,
    Started,
    mpirun,
    result_of,
    run,
    set_options,
    train,
    train_command,
)
from tests.support.skipping import cannot_run
from tests.support.traces import ports_of

STEPS = 12


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {"training.max_steps": STEPS, "data.test_samples": 100}


@pytest.fixture(scope="module")
def state_hash(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("reference") / "run"
    train(output, 2, settings)
    return result_of(output)["state_hash"]


COMMANDS = {
    "lockstep": [LOCKSTEP],
    "train": [LOCKSTEP, "train"],
    "eval": [LOCKSTEP, "eval"],
    "validate": [LOCKSTEP, "validate"],
    "worker": [WORKER],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_help_explains_and_has_examples(name):
    outcome = run([*COMMANDS[name], "--help"])
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "Examples:" in outcome.stdout
    program = LOCKSTEP.name if name != "worker" else WORKER.name
    examples = re.findall(rf"^  .*{program} .*$", outcome.stdout.split("Examples:")[1], re.MULTILINE)
    assert len(examples) >= 2, outcome.stdout


def test_help_lists_every_command():
    listed = re.findall(r"^  ([a-z]+) ", run([LOCKSTEP, "--help"]).stdout.split("ubcommands:")[-1], re.MULTILINE)
    assert set(listed) >= {"train", "eval", "validate"}
    for command in listed:
        if command != "lockstep":
            assert "Examples:" in run([LOCKSTEP, command, "--help"]).stdout, command


@pytest.mark.parametrize("program", [LOCKSTEP, WORKER])
def test_version_names_all_that_the_bits_depend_on(program):
    outcome = run([program, "--version"])
    assert outcome.exit_code == 0
    assert re.match(r"lockstep \d+\.\d+\.\d+ \(", outcome.stdout)
    assert ("torch 2." in outcome.stdout and "x86-64" in outcome.stdout) or "aarch64" in outcome.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train"],
        ["no-such-command"],
        ["train", "--ranks", "0", "a.toml"],
        ["train", "a.toml", "--no-such-option"],
        ["eval"],
    ],
)
def test_a_wrong_command_line_ends_with_1_and_points_to_help(arguments):
    outcome = run([LOCKSTEP, *arguments])
    assert outcome.exit_code == 1
    assert "--help" in outcome.stderr, outcome.output


def test_validate_answers_in_json_without_starting_anything():
    outcome = run([LOCKSTEP, "validate", QUICKSTART], environment={"PATH": "/nowhere"})
    assert outcome.exit_code == 0
    [answer] = outcome.events
    assert answer["valid"] is True and answer["file"] == str(QUICKSTART)


def test_a_worker_without_mpi_says_so_and_is_one_rank(settings, state_hash, tmp_path):
    outcome = run([WORKER, QUICKSTART, *set_options(settings), "--output", tmp_path / "run"])
    assert outcome.exit_code == 0, outcome.output
    assert "without mpirun or srun" in outcome.stderr and "one rank" in outcome.stderr
    assert (result_of(tmp_path / "run")["ranks"], result_of(tmp_path / "run")["state_hash"]) == (1, state_hash)


def test_workers_of_mpirun_say_no_such_thing(settings, state_hash, tmp_path):
    command = [WORKER, QUICKSTART, *set_options(settings), "--output", tmp_path / "run"]
    outcome = run(mpirun(2, command), environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 0, outcome.output
    assert "without mpirun" not in outcome.stderr
    assert result_of(tmp_path / "run")["state_hash"] == state_hash


def test_what_dry_run_prints_works_when_pasted_into_a_shell(settings, state_hash, tmp_path):
    """Also with a space, a quote, a dollar sign and an asterisk in the path."""
    output = tmp_path / "it's a $HOME * run"
    printed = run(train_command(output, 2, settings, "--dry-run"))
    assert printed.exit_code == 0 and not output.exists()
    [line] = printed.stdout.splitlines()
    assert "mpirun -np 2 " in line
    outcome = run(["sh", "-c", line])
    assert outcome.exit_code == 0, outcome.output
    assert result_of(output)["state_hash"] == state_hash


OPEN_MPI_5 = Path(sys.prefix) / "open-mpi-5" / "bin"
OF_AN_OUTER_MPIRUN = {
    "OMPI_COMM_WORLD_SIZE": "4",
    "OMPI_COMM_WORLD_RANK": "0",
    "OMPI_UNIVERSE_SIZE": "4",
    "PMIX_NAMESPACE": "gone",
    "PMIX_RANK": "0",
    "PMI_RANK": "0",
}


def first_in_path(folder):
    return {"PATH": f"{folder}:{os.environ['PATH']}"}


def test_open_mpi_5_starts_the_ranks_too_and_they_end_in_the_same_state(settings, state_hash, tmp_path):
    """In a shell that still has the variables of another mpirun."""
    if not (OPEN_MPI_5 / "mpirun").exists():
        cannot_run("Open MPI 5 is not there (./setup.sh tests installs it)")
    outcome = run(
        train_command(tmp_path / "run", 2, settings), environment=first_in_path(OPEN_MPI_5) | OF_AN_OUTER_MPIRUN
    )
    assert outcome.exit_code == 0, outcome.output
    assert {event["event"] for event in outcome.events} == EVENTS.keys()
    assert result_of(tmp_path / "run")["state_hash"] == state_hash
    refused = run(
        train_command(tmp_path / "none", 2, settings | {"data.path": "/no/such/data"}),
        environment=first_in_path(OPEN_MPI_5),
    )
    assert (refused.exit_code, refused.stdout) == (4, ""), refused.output
    assert "/no/such/data" in refused.stderr and "prterun" not in refused.stderr, refused.output


def mpirun_that(folder, version, script=""):
    """The environment of a launch in which another mpirun is first in PATH."""
    folder.mkdir()
    program = folder / "mpirun"
    program.write_text(f'#!/bin/bash\nif [ "$1" = --version ]; then echo "{version}"; exit; fi\n{script}')
    program.chmod(0o755)
    return first_in_path(folder)


def test_a_launcher_that_mpirun_starts_several_times_is_refused():
    outcome = run(mpirun(2, [LOCKSTEP, "train", QUICKSTART, "--dry-run"]), environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 2, outcome.output
    assert "mpirun has started lockstep 2 times" in outcome.stderr and "leave mpirun out" in outcome.stderr


@pytest.mark.parametrize(
    "version, words",
    [("HYDRA build details: Version 4.1.1", "it is MPICH's"), ("mpirun (Open MPI) 3.1.6", "is of Open MPI 3.1")],
)
def test_an_mpirun_that_lockstep_does_not_know_is_refused_with_its_name(settings, tmp_path, version, words):
    outcome = run(train_command(tmp_path / "run", 2, settings), environment=mpirun_that(tmp_path / "bin", version))
    assert outcome.exit_code == 2, outcome.output
    for part in (str(tmp_path / "bin" / "mpirun"), words, "first in PATH"):
        assert part in outcome.stderr, outcome.output


def test_a_start_that_hangs_is_ended_with_what_mpirun_said(settings, tmp_path):
    banner = "-" * 74
    script = (
        f"echo '{banner}' >&2; echo 'no route to n7' >&2; echo '{banner}' >&2; trap 'exit 1' TERM\n"
        "while :; do sleep 0.05; done"
    )
    outcome = run(
        train_command(tmp_path / "run", 2, settings),
        environment=mpirun_that(tmp_path / "bin", "mpirun (Open MPI) 4.1.4", script) | {"LOCKSTEP_START_SECONDS": "1"},
    )
    assert outcome.exit_code == 3, outcome.output
    assert "the ranks have not started within 1 s (" in outcome.stderr
    assert outcome.stderr.endswith("mpirun says:\n    no route to n7\n"), outcome.output


def test_names_of_hosts_with_a_line_in_them_are_reached(settings, state_hash, tmp_path):
    """Open MPI 4.1 would hang on such names."""
    shell = tmp_path / "rsh"
    shell.write_text('#!/bin/bash\nshift\nexec bash -c "$*"\n')
    shell.chmod(0o755)
    outcome = run(train_command(tmp_path / "run", 2, settings, "--hosts", "node_1:1,b_2:1", "--rsh", shell))
    assert outcome.exit_code == 0, outcome.output
    assert result_of(tmp_path / "run")["state_hash"] == state_hash


def test_a_run_goes_on_when_nobody_reads_what_it_prints_and_its_ranks_listen_on_no_network(
    settings, state_hash, tmp_path
):
    with Started(
        train_command(tmp_path / "run", 2, settings | {"checkpoint.every_steps": 1}), environment=OF_AN_OUTER_MPIRUN
    ) as started:
        started.wait_for_event("map")
        assert [ports_of(started.process_of_rank(rank)) for rank in (0, 1)] == [[], []]
        started.process.stdout.close()
        assert started.process.wait(120) == 0, started.stderr()
        assert "nothing can be written to standard output any more (Broken pipe); the run goes on" in started.stderr()
        assert "Segmentation" not in started.stderr()
    assert result_of(tmp_path / "run")["state_hash"] == state_hash


def test_an_argument_that_is_not_utf_8_is_refused(tmp_path):
    for command in (
        [LOCKSTEP, "train", QUICKSTART, "--output"],
        [LOCKSTEP, "why"],
        [LOCKSTEP, "pack", "data"],
        [WORKER, QUICKSTART, "--output"],
    ):
        done = subprocess.run([*command, os.fsencode(tmp_path) + b"/caf\xe9"], capture_output=True, timeout=60)
        assert done.returncode == 2, done.stderr
        assert b"not UTF-8" in done.stderr and b"caf?" in done.stderr


def peak_mib(output, steps, settings):
    """The peak memory of a run on one rank, in MiB."""
    measure = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [WORKER, QUICKSTART, "--output", output, *set_options(settings | {"training.max_steps": steps})]
    outcome = run([sys.executable, "-c", measure, *command], environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 0, outcome.output
    return int(outcome.stdout) / 1024


def test_memory_does_not_grow_from_step_to_step(small_data, tmp_path):
    """With micro-batches of 4 the allocator once took new memory in every step."""
    settings = {
        "data.path": str(small_data),
        "data.train_samples": 256,
        "data.test_samples": 64,
        "training.batch_size": 16,
        "training.micro_batch_size": 4,
        "training.epochs": 1000,
        "training.evaluate_every_epochs": 0,
        "checkpoint.every_epochs": 0,
        "model.name": "resnet20",
        "augmentation.crop_padding": 0,
    }
    assert peak_mib(tmp_path / "long", 150, settings) < peak_mib(tmp_path / "short", 20, settings) + 50
