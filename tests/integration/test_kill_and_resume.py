"""Kill anything, lose nothing: a run that is killed and resumed ends like an undisturbed one.

LOCKSTEP_TEST_SEED selects other ranks, moments and numbers of ranks.
"""

import os
import random
import signal
import time

import pytest

from tests.support.launching import (
    MPI_ENVIRONMENT,
    QUICKSTART,
    WORKER,
    Started,
    checkpoints_of,
    metrics_of,
    mpirun,
    result_of,
    set_options,
    train,
    train_command,
)

SEED = os.environ.get("LOCKSTEP_TEST_SEED", "20260711")
KILLS = 12  # crash_matrix.py covers all moments one by one
STOP_SECONDS = 10
STEPS = {"mlp": 60, "resnet": 12}
# The mlp saves after every step, so that most kills hit it during a save; the resnet spends most of its time computing.
EVERY = {"mlp": 1, "resnet": 2}


@pytest.fixture(scope="module")
def undisturbed(mlp, resnet, tmp_path_factory):
    """{kind: (settings, state hash of the undisturbed run)}"""
    found = {}
    for kind, settings in (("mlp", mlp), ("resnet", resnet)):
        settings = settings | {"training.max_steps": STEPS[kind], "checkpoint.every_steps": EVERY[kind]}
        output = tmp_path_factory.mktemp(kind) / "run"
        train(output, 1, settings)
        found[kind] = settings, result_of(output)["state_hash"]
    return found


def start_and_follow(output, ranks, settings, until, event="step"):
    """A run that has just reported this step, or the checkpoint of it."""
    started = Started(train_command(output, ranks, settings))
    started.wait_for_event(event, step=until)
    return started


def expect_resumes(output, ranks, settings, state_hash):
    """The same command on `ranks` ranks completes the run, with the expected hash and one line for every step."""
    outcome = train(output, ranks, settings)
    result = result_of(output)
    assert (result["state_hash"], result["ranks"]) == (state_hash, ranks)
    steps = [line["step"] for line in metrics_of(output) if "loss" in line]
    assert steps == list(range(1, settings["training.max_steps"] + 1))
    return outcome.event("start")["step"]


def kill_somewhere(draw, output, ranks, settings):
    """Kills a random rank a random part of a step after a step of the first half. Returns a description."""
    rank, done = draw.randrange(ranks), draw.randint(1, settings["training.max_steps"] // 2)
    part = draw.random()
    with Started(train_command(output, ranks, settings)) as started:
        step_ms = started.wait_for_event("step")["step_ms"]
        if done > 1:
            step_ms = started.wait_for_event("step", step=done)["step_ms"]
        time.sleep(part * step_ms / 1e3)  # the fault may strike at any point of a step
        os.kill(started.process_of_rank(rank), signal.SIGKILL)
        outcome = started.finish()
    assert outcome.exit_code in (128 + signal.SIGKILL, 3), outcome.output
    assert not (output / "result.json").exists(), "the run ended before it could be killed"
    assert "goes on from the newest checkpoint" in outcome.stderr, outcome.output
    return f"rank {rank} of {ranks}, {part:.2f} of a step after step {done}"


@pytest.mark.parametrize("number", range(KILLS), ids=lambda number: f"{SEED}.{number}")
def test_a_run_whose_rank_is_killed_goes_on_on_other_ranks_to_the_same_end(undisturbed, tmp_path, number):
    settings, state_hash = undisturbed["mlp" if number % 2 else "resnet"]
    draw = random.Random(f"{SEED}.{number}")
    before = draw.choice([2, 3, 4])
    after = draw.choice([ranks for ranks in (1, 2, 3, 4, 5) if ranks != before])
    killed = kill_somewhere(draw, tmp_path / "run", before, settings)
    print(f"seed {SEED}.{number}: killed {killed}; goes on on {after} ranks")
    expect_resumes(tmp_path / "run", after, settings, state_hash)


def test_a_run_that_is_killed_again_and_again_comes_to_the_same_end(undisturbed, tmp_path):
    settings, state_hash = undisturbed["resnet"]
    draw = random.Random(f"{SEED}.again")
    for saved, ranks in ((2, 3), (4, 2), (6, 4)):
        with start_and_follow(tmp_path / "run", ranks, settings, until=saved, event="checkpoint") as started:
            os.kill(started.process_of_rank(draw.randrange(ranks)), signal.SIGKILL)
            assert started.finish().exit_code != 0
    first = expect_resumes(tmp_path / "run", 1, settings, state_hash)
    assert first >= 6  # only steps after the last checkpoint are repeated


@pytest.fixture(scope="module")
def saved_at_the_end_only(resnet, tmp_path_factory):
    """(settings, state hash) of a run that is long enough to be still going when a signal arrives, or when its ranks
    notice that mpirun is gone."""
    settings = resnet | {
        "training.max_steps": 60,
        "training.epochs": 10,
        "checkpoint.every_epochs": 0,
        "training.evaluate_every_epochs": 0,
    }
    output = tmp_path_factory.mktemp("long") / "run"
    train(output, 2, settings)
    return settings, result_of(output)["state_hash"]


@pytest.fixture
def saved_often(saved_at_the_end_only):
    settings, state_hash = saved_at_the_end_only
    return settings | {"checkpoint.every_steps": 2}, state_hash


def test_a_kill_of_the_launcher_leaves_no_process_and_the_run_goes_on(saved_often, tmp_path):
    settings, state_hash = saved_often
    with start_and_follow(tmp_path / "run", 3, settings, until=4, event="checkpoint") as started:
        assert len(started.named(WORKER.name)) == 3
        started.process.kill()
        assert started.finish().exit_code == -signal.SIGKILL  # and nothing that it started is left
    assert expect_resumes(tmp_path / "run", 2, settings, state_hash) >= 4


def test_a_kill_of_mpirun_leaves_no_process_and_the_run_goes_on(saved_often, tmp_path):
    settings, state_hash = saved_often
    with start_and_follow(tmp_path / "run", 3, settings, until=4, event="checkpoint") as started:
        [pid] = started.named("mpirun")
        os.kill(pid, signal.SIGKILL)
        outcome = started.finish()
    assert outcome.exit_code == 128 + signal.SIGKILL, outcome.output
    assert "goes on from the newest checkpoint" in outcome.stderr
    assert expect_resumes(tmp_path / "run", 2, settings, state_hash) >= 4


def test_a_kill_of_mpirun_without_the_launcher_leaves_no_rank(saved_often, tmp_path):
    settings, state_hash = saved_often
    options = [*set_options(settings), "--output", tmp_path / "run"]
    with Started(mpirun(3, [WORKER, QUICKSTART, *options]), environment=MPI_ENVIRONMENT) as started:
        started.wait_for_event("checkpoint", step=4)
        started.process.kill()
        started.finish()
    assert expect_resumes(tmp_path / "run", 2, settings, state_hash) >= 4


def test_a_rank_killed_before_the_first_step_is_reported_and_the_run_starts_over(undisturbed, tmp_path):
    settings, state_hash = undisturbed["mlp"]
    with Started(train_command(tmp_path / "run", 3, settings)) as started:
        started.wait_for_event("start")
        os.kill(started.process_of_rank(2), signal.SIGKILL)
        assert started.finish().exit_code in (128 + signal.SIGKILL, 3)
    expect_resumes(tmp_path / "run", 3, settings, state_hash)


@pytest.mark.parametrize("ranks, number", [(1, signal.SIGINT), (3, signal.SIGTERM), (4, signal.SIGINT)])
def test_a_signal_to_the_launcher_saves_the_step_and_stops(saved_at_the_end_only, tmp_path, ranks, number):
    settings, state_hash = saved_at_the_end_only
    with start_and_follow(tmp_path / "run", ranks, settings, until=3) as started:
        begin = time.monotonic()
        started.process.send_signal(number)
        outcome = started.finish()
    assert time.monotonic() - begin < STOP_SECONDS
    expect_stopped(outcome, tmp_path / "run", number, settings, state_hash)


def expect_stopped(outcome, output, number, settings, state_hash):
    """The run stopped in order: the step is saved, exit code and message name the signal, and the run resumes from
    there."""
    assert outcome.exit_code == 128 + number, outcome.output
    assert "the same command goes on" in outcome.stderr
    stopped = outcome.event("stopped")["step"]
    assert checkpoints_of(output) == [f"step-{stopped:08}"]
    assert not (output / "result.json").exists()
    assert expect_resumes(output, 2, settings, state_hash) == stopped


def test_a_worker_alone_stops_in_order_too(saved_at_the_end_only, tmp_path):
    settings, state_hash = saved_at_the_end_only
    with Started([WORKER, QUICKSTART, *set_options(settings), "--output", tmp_path / "run"]) as started:
        started.wait_for_event("step", step=3)
        started.process.send_signal(signal.SIGTERM)
        outcome = started.finish()
    expect_stopped(outcome, tmp_path / "run", signal.SIGTERM, settings, state_hash)


def test_a_second_signal_ends_the_run_at_once_and_it_goes_on(saved_often, tmp_path):
    settings, state_hash = saved_often
    with start_and_follow(tmp_path / "run", 3, settings, until=4, event="checkpoint") as started:
        for _ in range(2):
            started.process.send_signal(signal.SIGTERM)
        assert started.finish().exit_code == 128 + signal.SIGTERM
    assert expect_resumes(tmp_path / "run", 2, settings, state_hash) >= 4
