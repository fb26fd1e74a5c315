"""A rank that dies or hangs is named, the run restarts by itself, and `lockstep why` knows which rank it was."""

import json
import os
import resource
import signal
import subprocess
import time

import pytest
from PIL import Image

from tests.support.image_files import encoded, write_folder
from tests.support.launching import (
    LOCKSTEP,
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
    why,
)

OUT_OF_MEMORY = 8
SENTINEL = "lockstep-watch"


@pytest.fixture(scope="module")
def undisturbed(resnet, tmp_path_factory):
    """(settings, state hash) of a run that saves every other step."""
    settings = resnet | {"training.max_steps": 12, "checkpoint.every_steps": 2, "reliability.max_restarts": 3}
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    train(output, 2, settings)
    return settings, result_of(output)["state_hash"]


def expect_complete(outcome, output, settings, state_hash):
    assert outcome.exit_code == 0, outcome.output
    assert result_of(output)["state_hash"] == state_hash
    steps = [line["step"] for line in metrics_of(output) if "loss" in line]
    assert steps == list(range(1, settings["training.max_steps"] + 1))
    code, answer = why(output)
    assert (code, answer["standing"], answer["findings"]) == (0, "the run is complete", [])


def test_a_killed_rank_is_named_with_its_last_words_and_the_run_starts_again_to_the_same_end(undisturbed, tmp_path):
    settings, state_hash = undisturbed
    with Started(train_command(tmp_path / "run", 3, settings)) as started:
        started.wait_for_event("checkpoint", step=4)
        os.kill(started.process_of_rank(1), signal.SIGKILL)
        assert started.wait_for_event("restart")["ranks"] == 3
        assert started.wait_for_event("start")["step"] >= 4
        outcome = started.finish()
    expect_complete(outcome, tmp_path / "run", settings, state_hash)
    assert "rank 1 on " in outcome.stderr and "was ended by signal 9 (Killed) in " in outcome.stderr, outcome.output
    assert "starting again with 3 ranks, from the newest checkpoint" in outcome.stderr


def ranks_at_their_start(started):
    """The processes of ranks 0 and 1, as soon as each has its sentinel."""
    while True:
        assert started.process.poll() is None, started.finish().output
        try:
            if len(started.named(SENTINEL)) == 2:
                return started.process_of_rank(0), started.process_of_rank(1)
        except ValueError:  # one has not started yet
            continue


def test_a_rank_that_is_killed_before_it_knows_its_configuration_is_named_and_the_run_starts_again(
    undisturbed, tmp_path
):
    settings, state_hash = undisturbed
    train(tmp_path / "run", 1, settings | {"training.max_steps": 2})  # --fresh must replace this run even so
    with Started(train_command(tmp_path / "run", 2, settings, "--fresh")) as started:
        first, second = ranks_at_their_start(started)
        os.kill(first, signal.SIGSTOP)  # rank 0 has read nothing yet, and rank 1 waits for it
        os.kill(second, signal.SIGKILL)
        assert started.wait_for_event("restart")["ranks"] == 2
        assert started.wait_for_event("start")["step"] == 0
        outcome = started.finish()
    expect_complete(outcome, tmp_path / "run", settings, state_hash)
    assert "error: rank 1 on " in outcome.stderr and "was ended by signal 9 (Killed) in start-up" in outcome.stderr


def test_a_killed_mpirun_is_named_and_the_run_starts_again_to_the_same_end(undisturbed, tmp_path):
    settings, state_hash = undisturbed
    pipe = tmp_path / "my.toml"  # it can be read only once
    os.mkfifo(pipe)
    with Started(train_command(tmp_path / "run", 2, settings, config=pipe)) as started:
        pipe.write_text(QUICKSTART.read_text())
        started.wait_for_event("checkpoint", step=4)
        for process in started.named("mpirun") or started.named("orterun"):
            os.kill(process, signal.SIGKILL)
        assert started.wait_for_event("restart")["ranks"] == 2
        outcome = started.finish()
    assert "mpirun was lost, in " in outcome.stderr and "it was killed or has crashed" in outcome.stderr, outcome.output
    expect_complete(outcome, tmp_path / "run", settings, state_hash)
    [status] = (tmp_path / "run" / "status").glob("rank-0*")  # as a killed sentinel leaves it
    left = json.loads(status.read_text()) | {"state": 0, "phase": "the end", "phase_seconds": 99.0}
    status.write_text(json.dumps(left) + "\n")
    code, answer = why(tmp_path / "run")
    assert (code, answer["standing"], answer["findings"]) == (0, "the run is complete", [])


def test_a_stopped_rank_is_named_and_ended_and_the_run_goes_on_to_the_same_end(undisturbed, tmp_path):
    settings, state_hash = undisturbed
    settings = settings | {"reliability.hang_timeout_seconds": 6}
    with Started(train_command(tmp_path / "run", 3, settings)) as started:
        started.wait_for_event("checkpoint", step=4)
        os.kill(started.process_of_rank(2), signal.SIGSTOP)
        started.wait_for_event("restart")
        outcome = started.finish()
    expect_complete(outcome, tmp_path / "run", settings, state_hash)
    assert "warning: rank 2 on " in outcome.stderr and " is stopped by a signal in " in outcome.stderr, outcome.output
    assert "has been stopped for longer than reliability.hang_timeout_seconds and is ended" in outcome.stderr


def test_a_run_that_fails_again_and_again_is_given_up(undisturbed, tmp_path):
    settings = undisturbed[0] | {"reliability.max_restarts": 1, "checkpoint.every_steps": 0}
    with Started(train_command(tmp_path / "run", 2, settings)) as started:
        for _ in range(2):
            started.wait_for_event("step", step=1)
            os.kill(started.process_of_rank(1), signal.SIGKILL)
        outcome = started.finish()
    assert outcome.exit_code in (3, 128 + signal.SIGKILL), outcome.output
    assert "giving up after 1 restarts without a newer checkpoint" in outcome.stderr


def test_a_step_that_does_not_fit_into_memory_has_its_own_exit_code_and_is_not_tried_again(undisturbed, tmp_path):
    settings = undisturbed[0] | {"model.name": "resnet18", "training.micro_batch_size": 256, "training.batch_size": 256}
    limited = ["prlimit", f"--as={2 << 30}", *train_command(tmp_path / "run", 2, settings)]
    with Started(limited) as started:
        outcome = started.finish()
    assert outcome.exit_code == OUT_OF_MEMORY, outcome.output
    assert "ran out of memory (DefaultCPUAllocator: can't allocate memory" in outcome.stderr, outcome.output
    assert "give a smaller training.micro_batch_size" in outcome.stderr and "restart" not in outcome.stdout
    code, answer = why(tmp_path / "run")
    assert (code, answer["findings"][0]["trouble"]) == (3, "out of memory")


def test_a_run_that_is_refused_memory_after_it_has_saved_goes_on_to_the_same_end(undisturbed, tmp_path):
    settings, state_hash = undisturbed
    larger = settings | {"training.evaluation_batch_size": 400, "data.test_samples": 400}  # larger than all before
    with Started(train_command(tmp_path / "run", 2, larger)) as started:
        started.wait_for_event("checkpoint", step=4)
        resource.prlimit(started.process_of_rank(1), resource.RLIMIT_AS, (1 << 20, 1 << 20))
        started.wait_for_event("restart")
        outcome = started.finish()
    expect_complete(outcome, tmp_path / "run", settings, state_hash)
    assert "rank 1 on " in outcome.stderr and " ran out of memory (" in outcome.stderr, outcome.output


def test_why_names_a_stopped_rank_and_then_a_dead_one(undisturbed, tmp_path):
    settings = undisturbed[0] | {"reliability.max_restarts": 0}
    with Started(train_command(tmp_path / "run", 3, settings)) as started:
        started.wait_for_event("step", step=2)
        stopped = started.process_of_rank(1)
        os.kill(stopped, signal.SIGSTOP)
        code, answer = why(tmp_path / "run")
        while not answer["findings"] and answer["under_way"]:  # the sentinel writes once a second
            code, answer = why(tmp_path / "run")
        assert (code, answer["under_way"]) == (3, True)
        [finding] = answer["findings"]
        assert (finding["trouble"], finding["ranks"], finding["host"]) == ("stopped", [1], os.uname().nodename)
        os.kill(stopped, signal.SIGKILL)
        started.finish()
    code, answer = why(tmp_path / "run")
    assert code == 3 and answer["findings"][0]["trouble"] == "dead" and answer["findings"][0]["ranks"] == [1]


def test_why_refuses_what_is_no_run(tmp_path):
    done = subprocess.run([LOCKSTEP, "why", tmp_path], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and "is not a run folder" in done.stderr


@pytest.fixture(scope="module")
def saved_at_the_end_only(resnet, tmp_path_factory):
    """(settings, state hash) of a run with evaluations long enough for a signal to arrive during one."""
    settings = resnet | {
        "training.max_steps": 8,
        "training.epochs": 100,
        "data.train_samples": 128,
        "data.test_samples": 400,
        "checkpoint.every_epochs": 0,
        "training.evaluate_every_epochs": 1,
        "training.early_stopping_patience": 50,
        "reliability.max_restarts": 3,
        "training.evaluation_batch_size": 1,
    }
    output = tmp_path_factory.mktemp("evaluating") / "run"
    train(output, 2, settings)
    return settings, result_of(output)["state_hash"]


@pytest.mark.parametrize("rank, number", [(2, signal.SIGTERM), (1, signal.SIGUSR1), (0, signal.SIGUSR2)])
def test_a_signal_to_any_rank_in_an_evaluation_saves_and_stops_in_order(saved_at_the_end_only, tmp_path, rank, number):
    settings, state_hash = saved_at_the_end_only
    run = tmp_path / "run"
    with Started(train_command(run, 3, settings)) as started:
        step = started.wait_for_event("step", step=4)["step"]  # the end of an epoch: an evaluation follows
        os.kill(started.process_of_rank(rank), number)
        outcome = started.finish()
    assert outcome.exit_code == 128 + number, outcome.output
    stopped = outcome.event("stopped")["step"]
    assert stopped in (step, step + 1)
    assert checkpoints_of(run) == [f"step-{stopped:08}"]
    assert "starting again" not in outcome.stderr
    expect_complete(train(run, 2, settings), run, settings, state_hash)
    evaluations = [line["step"] for line in metrics_of(run) if "test_accuracy" in line]
    assert evaluations == [2, 4, 6, 8]


def test_a_signal_before_the_first_step_stops_in_order(saved_at_the_end_only, tmp_path):
    settings, state_hash = saved_at_the_end_only
    run = tmp_path / "run"
    with Started(train_command(run, 2, settings)) as started:
        started.wait_for_event("start")
        started.process.send_signal(signal.SIGUSR1)
        outcome = started.finish()
    assert outcome.exit_code == 128 + signal.SIGUSR1, outcome.output
    expect_complete(train(run, 3, settings), run, settings, state_hash)


def test_a_signal_to_one_rank_while_images_are_decoded_stops_all_in_order(resnet, tmp_path):
    """Decoding would take a quarter of a minute."""
    image = encoded(Image.new("RGB", (1000, 700)), "png")
    first = write_folder(tmp_path / "data", {"train/cat/0.png": image}) / "train/cat/0.png"
    for folder, count in (("train/cat", 1000), ("train/dog", 1000), ("test/cat", 1), ("test/dog", 1)):
        (tmp_path / "data" / folder).mkdir(parents=True, exist_ok=True)
        for number in range(1, count + 1):
            os.link(first, tmp_path / "data" / folder / f"{number}.png")
    settings = resnet | {"data.path": str(tmp_path / "data"), "data.image_size": 32, "data.train_samples": 0}
    with Started(train_command(tmp_path / "run", 2, settings)) as started:
        while not (tmp_path / "run" / "log" / "rank-1.log").exists():  # the rank opens the data next
            assert started.process.poll() is None, started.finish().output
        asked = time.monotonic()
        os.kill(started.process_of_rank(1), signal.SIGTERM)
        outcome = started.finish()
    assert time.monotonic() - asked < 6
    assert outcome.exit_code == 128 + signal.SIGTERM, outcome.output
    assert outcome.event("stopped")["signal"] == signal.SIGTERM
    assert "before there was anything to save; give the same command again" in outcome.stderr
    assert "starting again" not in outcome.stderr


def test_without_the_launcher_the_sentinel_of_rank_0_names_the_culprit(undisturbed, tmp_path):
    settings = undisturbed[0] | {"reliability.hang_timeout_seconds": 5}
    command = mpirun(2, [WORKER, QUICKSTART, *set_options(settings), "--output", tmp_path / "run"])
    with Started(command, environment=MPI_ENVIRONMENT) as started:
        started.wait_for_event("step", step=2)
        os.kill(started.process_of_rank(0), signal.SIGSTOP)
        outcome = started.finish()
    assert outcome.exit_code != 0
    assert "warning: rank 0 on " in outcome.stderr and " is stopped by a signal in " in outcome.stderr, outcome.output
