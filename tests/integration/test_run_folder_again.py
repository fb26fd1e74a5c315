"""Another start in a run's folder resumes the run, is refused with the differences, or keeps the old run beside the
new."""

import json
import shutil
import time
from pathlib import Path

import pytest

from tests.integration.finished_run import SETTINGS, STEPS, STEPS_PER_EPOCH, files_of
from tests.support.checkpoint_hashes import write_sealed
from tests.support.launching import LOCKSTEP, Started, checkpoints_of, result_of, run, train, train_command, why

REFUSED = Path("status/refused_start.json")


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | SETTINGS


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    train(output, 3, settings)
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished run, to work on."""
    return shutil.copytree(finished, tmp_path / "run")


def test_the_same_command_again_is_done_at_once(output, settings):
    before = files_of(output)
    begin = time.monotonic()
    outcome = train(output, 2, settings)
    assert time.monotonic() - begin < 5
    assert [event["event"] for event in outcome.events] == ["result"]
    for name in ("result.json", "metrics.jsonl"):
        assert (output / name).read_bytes() == next(content for path, content in before.items() if path.name == name)


def test_more_steps_go_on_and_equal_a_run_in_one_go(output, settings, tmp_path):
    more = settings | {"training.max_steps": 28}
    assert train(output, 2, more).event("start")["step"] == STEPS
    train(tmp_path / "in-one-go", 1, more)
    for key in ("state_hash", "weights_hash", "test_accuracy", "test_loss"):
        assert result_of(output)[key] == result_of(tmp_path / "in-one-go")[key]


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_more_epochs_go_on_and_say_so_where_that_is_another_run_than_one_in_one_go(settings, tmp_path, schedule):
    epochs = settings | {
        "training.max_steps": 0,
        "training.epochs": 1,
        "schedule.name": schedule,
        "schedule.warmup_ratio": 0.0,
    }
    train(tmp_path / "run", 2, epochs)
    assert result_of(tmp_path / "run")["steps"] == STEPS_PER_EPOCH
    more = epochs | {"training.epochs": 2}
    outcome = train(tmp_path / "run", 3, more)
    assert outcome.event("start")["step"] == STEPS_PER_EPOCH
    grown = result_of(tmp_path / "run")
    assert grown["steps"] == 2 * STEPS_PER_EPOCH
    train(tmp_path / "in-one-go", 1, more)
    whole = result_of(tmp_path / "in-one-go")
    for key in ("plan_hash", "state_hash"):
        assert (grown[key] == whole[key]) == (schedule == "constant")
    for words in ("training.epochs has grown from 1 to 2 after step 8", "learning rate was", "--output"):
        assert (words in outcome.stderr) == (schedule == "cosine"), outcome.output
    if schedule == "constant":
        return
    assert [event["event"] for event in train(tmp_path / "run", 2, more).events] == ["result"]
    verified = run([LOCKSTEP, "verify", tmp_path / "run", "--ranks", 1, "--from-start"])
    assert verified.exit_code == 0, verified.output
    (tmp_path / "run" / "result.json").unlink()
    again = train(tmp_path / "run", 2, more)
    assert "has grown" not in again.stderr
    assert result_of(tmp_path / "run")["plan_hash"] == grown["plan_hash"] == again.event("start")["plan_hash"]


def test_a_run_whose_checkpoints_are_gone_does_not_start_over(output, settings):
    shutil.rmtree(output / "checkpoint")
    metrics = (output / "metrics.jsonl").read_bytes()
    assert run(train_command(output, 1, settings)).exit_code == 0  # nothing is left to do
    outcome = run(train_command(output, 2, settings | {"training.max_steps": 24}))
    assert outcome.exit_code == 4, outcome.output
    for words in ("the checkpoints of the run in", "are gone", "20 steps", "put them back", "--fresh"):
        assert words in outcome.stderr, outcome.output
    assert (output / "metrics.jsonl").read_bytes() == metrics
    outcome = run([LOCKSTEP, "eval", output, "--ranks", 1])
    assert outcome.exit_code == 2 and "it has no checkpoint" in outcome.stderr, outcome.output
    # Without a result nothing shows that a checkpoint ever existed: two saves were due, and both may have failed.
    (output / "result.json").unlink()
    outcome = train(output, 2, settings)
    assert outcome.event("start")["step"] == 0
    assert "begins anew" in outcome.stderr and "computed again" in outcome.stderr, outcome.output


def test_files_of_another_run_are_not_taken_for_those_of_this(output, settings):
    (output / "plan.json").unlink()
    (output / "metrics.jsonl").unlink()
    outcome = run(train_command(output, 1, settings | {"run.seed": 7, "training.max_steps": 21}))
    assert outcome.exit_code == 2, outcome.output
    for words in ("holds a run with another plan", "run.seed: 0 -> 7", "--fresh"):
        assert words in outcome.stderr, outcome.output
    said = ""
    for no_result in ({"plan_hash": "0" * 32}, {"plan_hash": 5}):
        (output / "result.json").write_text(json.dumps(result_of(output) | no_result))
        outcome = train(output, 1, settings)
        assert "passing over" in outcome.stderr and outcome.event("start")["step"] == STEPS, outcome.output
        said += outcome.stderr
    assert said.count("metrics.jsonl is not there (the run goes on after step 20)") == 1, said
    manifest = output / "checkpoint" / "step-00000020" / "manifest.json"
    about = json.loads(manifest.read_text())
    about["config"]["run"]["seed"] = 7
    write_sealed(manifest, about)
    outcome = run(train_command(output, 1, settings | {"training.max_steps": 21}))
    assert outcome.exit_code == 2 and "are of a run with another plan (run.seed: 7 -> 0)" in outcome.stderr, (
        outcome.output
    )
    (output / "plan.json").unlink()
    train(output, 1, settings | {"training.max_steps": 1}, "--fresh")
    assert result_of(output.with_name("run.1"))["steps"] == STEPS


OTHER = {
    "optimizer.learning_rate": 0.01,
    "training.batch_size": 64,
    "run.seed": 7,
    "model.hidden_sizes": [8],
    "training.max_steps": STEPS - 1,
    "training.epochs": 3,
    "data.train_samples": 1024,
}


@pytest.mark.parametrize("key", OTHER)
def test_other_settings_are_refused_and_named(output, settings, key):
    before = files_of(output)
    outcome = run(train_command(output, 2, settings | {key: OTHER[key]}))
    assert outcome.exit_code == 2, outcome.output
    for words in (str(output), "another plan", key, "--output", "--fresh"):
        assert words in outcome.stderr, outcome.output
    after = files_of(output)
    refused = json.loads(after.pop(REFUSED))
    assert after == before
    assert refused["exit_code"] == 2 and key in refused["text"] and refused["text"] in outcome.stderr


def test_why_tells_the_error_of_a_refused_start_until_a_later_one_begins(output, settings, tmp_path):
    assert run(train_command(output, 2, settings | {"run.seed": 7})).exit_code == 2
    code, answer = why(output)
    assert (code, answer["standing"], answer["refused"]["exit_code"]) == (0, "the run is complete", 2)
    assert "run.seed: 0 -> 7" in answer["refused"]["text"]
    moved = settings | {"data.path": str(tmp_path / "data")}
    assert run(train_command(tmp_path / "moved", 2, moved)).exit_code == 4
    code, answer = why(tmp_path / "moved")
    assert (code, answer["findings"], answer["refused"]["exit_code"]) == (3, [], 4)
    assert str(tmp_path / "data") in answer["refused"]["text"] and "standing" not in answer
    shutil.copytree(settings["data.path"], tmp_path / "data")
    train(tmp_path / "moved", 2, moved)
    code, answer = why(tmp_path / "moved")
    assert (code, answer["standing"]) == (0, "the run is complete") and "refused" not in answer


def test_all_settings_that_differ_are_named_at_once(output, settings):
    outcome = run(train_command(output, 2, settings | {"run.seed": 7, "optimizer.momentum": 0.5}))
    assert outcome.exit_code == 2
    assert "run.seed: 0 -> 7" in outcome.stderr and "optimizer.momentum: 0.9 -> 0.5" in outcome.stderr


def test_settings_that_change_no_result_may_change(output, settings):
    other = settings | {
        "training.max_steps": 24,
        "checkpoint.keep": 3,
        "training.log_every_steps": 1,
        "reliability.collective_timeout_seconds": 60,
        "run.name": "other",
    }
    assert train(output, 2, other).event("start")["step"] == STEPS


def test_fresh_keeps_the_old_run_beside(output, settings):
    before = files_of(output)
    for kept, slash in (("run.1", ""), ("run.2", "/")):
        outcome = train(f"{output}{slash}", 2, settings | {"training.max_steps": 4, "run.seed": 7}, "--fresh")
        assert str(output.with_name(kept)) in outcome.stderr
        assert result_of(output)["steps"] == 4
        assert checkpoints_of(output) == ["step-00000004"]
    assert files_of(output.with_name("run.1")) == before
    assert result_of(output.with_name("run.2"))["steps"] == 4


def test_a_start_that_was_refused_binds_the_folder_to_nothing(settings, tmp_path):
    refused = run(train_command(tmp_path / "run", 1, settings | {"data.path": str(tmp_path / "none"), "run.seed": 7}))
    assert refused.exit_code == 4 and (tmp_path / "run" / "plan.json").exists(), refused.output
    train(tmp_path / "run", 1, settings | {"training.max_steps": 1})
    other = run(train_command(tmp_path / "run", 1, settings | {"training.max_steps": 1, "run.seed": 7}))
    assert other.exit_code == 2 and "run.seed: " in other.stderr, other.output


def test_fresh_in_an_empty_place_just_begins(settings, tmp_path):
    train(tmp_path / "run", 1, settings | {"training.max_steps": 1}, "--fresh")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_fresh_leaves_a_link_to_another_place_as_it_is(settings, tmp_path):
    (tmp_path / "disk" / "run").mkdir(parents=True)
    (tmp_path / "run").symlink_to("disk/run")
    for _ in range(2):
        train(tmp_path / "run", 1, settings | {"training.max_steps": 1}, "--fresh")
    assert (tmp_path / "run").is_symlink()
    assert sorted(path.name for path in (tmp_path / "disk").iterdir()) == ["run", "run.1"]


@pytest.mark.parametrize("options", [[], ["--fresh"]], ids=["plain", "fresh"])
def test_a_second_run_in_the_same_folder_is_refused(settings, tmp_path, options):
    output = tmp_path / "run"
    endless = settings | {
        "training.max_steps": 1_000_000,
        "training.epochs": 1_000_000,
        "training.evaluate_every_epochs": 0,
        "checkpoint.every_epochs": 0,
    }
    with Started(train_command(output, 1, endless)) as first:
        first.wait_for_event("step")
        second = run(train_command(output, 1, endless | {"training.max_steps": 1}, *options))
        assert second.exit_code == 2, second.output
        for words in (str(output), "in use", "wait for it to end"):
            assert words in second.stderr, second.output
        assert [path.name for path in tmp_path.iterdir()] == ["run"]
        first.wait_for_event("step")  # the first run is not disturbed


def test_when_the_holder_of_the_lock_was_killed_the_folder_is_free_again(settings, tmp_path):
    command = train_command(tmp_path / "run", 1, settings | {"training.max_steps": 200})
    with Started(command) as first:
        first.wait_for_event("step")
        first.process.kill()
        first.finish()
    assert run(command).exit_code == 0
