"""What a run leaves in its folder, and what the same and other commands on that folder do."""

import json
import re
import shutil
import time
import tomllib
from pathlib import Path

import pytest

from tests.support.checkpoint_hashes import write_sealed
from tests.support.launching import (
    LOCKSTEP,
    QUICKSTART,
    WORKER,
    Started,
    checkpoints_of,
    metrics_of,
    result_of,
    run,
    set_options,
    train,
    train_command,
    why,
)

STEPS, STEPS_PER_EPOCH, LOG_EVERY = 20, 8, 3
REFUSED = Path("status/refused_start.json")
HASH = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {
        "data.train_samples": 2048,
        "data.test_samples": 200,
        "training.max_steps": STEPS,
        "training.log_every_steps": LOG_EVERY,
    }


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    train(output, 3, settings)
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished run, to work on."""
    return shutil.copytree(finished, tmp_path / "run")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_holds_what_is_documented(finished):
    assert {path.name for path in finished.iterdir()} == {
        "plan.json",
        "resolved.toml",
        "metrics.jsonl",
        "result.json",
        "checkpoint",
        "log",
        "lock",
        "status",
        "weights.safetensors",
        "ema.safetensors",
    }
    assert sorted(path.name for path in (finished / "log").iterdir()) == [f"rank-{rank}.log" for rank in range(3)]
    assert sorted(path.name for path in (finished / "status").iterdir()) == [f"rank-{rank}.json" for rank in range(3)]
    assert "saved step 20" in (finished / "log" / "rank-0.log").read_text()
    assert len(checkpoints_of(finished)) == 2


def test_resolved_toml_has_every_value_with_its_origin(finished, settings):
    text = (finished / "resolved.toml").read_text()
    resolved, given = tomllib.loads(text), tomllib.loads(QUICKSTART.read_text())
    assert isinstance(resolved.pop("config_version"), int)
    plan = json.loads((finished / "plan.json").read_text())
    assert {name: set(keys) for name, keys in resolved.items()} == {name: set(keys) for name, keys in plan.items()}
    origins, section = {}, ""
    for line in filter(None, text.splitlines()[1:]):
        if line.startswith("["):
            section = line.strip("[]")
            continue
        key, origin = re.fullmatch(r"(\w+) = .*  # from (.+)", line).groups()
        origins[f"{section}.{key}"] = origin
    assert set(origins) == {f"{name}.{key}" for name, keys in resolved.items() for key in keys}
    file_lines = QUICKSTART.read_text().splitlines()
    for name, origin in origins.items():
        section, key = name.split(".")
        if name in settings:
            assert (origin, resolved[section][key]) == ("--set", settings[name])
        elif key in given.get(section, {}):
            line = int(re.fullmatch(rf"{re.escape(str(QUICKSTART))}:(\d+):\d+", origin).group(1))
            assert file_lines[line - 1].startswith(key)
            assert resolved[section][key] == given[section][key]
        else:
            assert origin == "default"


def test_resolved_toml_is_a_configuration_of_the_same_plan(finished, tmp_path):
    train(tmp_path / "again", 2, {}, config=finished / "resolved.toml")
    for key in ("plan_hash", "state_hash"):
        assert result_of(tmp_path / "again")[key] == result_of(finished)[key]


def test_the_folder_of_a_run_with_a_template_has_its_values_and_not_its_name(mlp, tmp_path):
    (tmp_path / "mine.toml").write_text('template = "fast"\n')
    settings = mlp | {"training.max_steps": 2, "training.batch_size": 64}
    train(tmp_path / "run", 2, settings, "--without", "flip,ema", config=tmp_path / "mine.toml")
    text = (tmp_path / "run" / "resolved.toml").read_text()
    assert "template" not in tomllib.loads(text)
    assert '\nname = "adamw"  # from template fast\n' in text and "\nmodel_ema = false  # from --set\n" in text
    train(tmp_path / "again", 1, {}, config=tmp_path / "run" / "resolved.toml")
    for key in ("plan_hash", "state_hash"):
        assert result_of(tmp_path / "again")[key] == result_of(tmp_path / "run")[key]


def test_metrics_has_a_line_for_every_logged_step_and_every_evaluation(finished):
    lines = metrics_of(finished)
    steps = [line for line in lines if "loss" in line]
    evaluations = [line for line in lines if "test_accuracy" in line]
    assert len(lines) == len(steps) + len(evaluations)
    assert [line["step"] for line in steps] == [3, 6, 9, 12, 15, 18, 20]
    assert [line["step"] for line in evaluations] == [8, 16, 20]  # epoch ends and the end
    for line in steps:
        assert line["epoch"] == (line["step"] - 1) // STEPS_PER_EPOCH + 1
        assert 0 <= line["train_accuracy"] <= 1 and line["loss"] > 0 and line["gradient_norm"] > 0
        assert line["step_ms"] > 0 and line["images_per_second"] > 0 and line["learning_rate"] > 0
    for line in evaluations:
        assert 0 <= line["test_accuracy"] <= 1 and 0 <= line["ema_test_accuracy"] <= 1


def test_steps_rise_in_metrics_after_a_resume_from_before_their_last(output, settings):
    """The newest checkpoint is lost, so that steps 17 to 20 are done, and logged, a second time."""
    shutil.rmtree(output / "checkpoint" / "step-00000020")
    before = metrics_of(output)
    train(output, 2, settings | {"training.max_steps": 30})
    steps = [line["step"] for line in metrics_of(output) if "loss" in line]
    assert steps == [3, 6, 9, 12, 15, 18, 21, 24, 27, 30]
    assert metrics_of(output)[:5] == before[:5]


def test_a_line_that_a_crash_cut_short_does_not_spoil_metrics(output, settings):
    with (output / "metrics.jsonl").open("a") as file:
        file.write('{"step": null, "loss": 1}\n{"step": 1e300, "loss": 1}\n{"step": 2')
    outcome = train(output, 1, settings | {"training.max_steps": 24})
    assert "2 lines of " in outcome.stderr and "are left out" in outcome.stderr, outcome.output
    assert [line["step"] for line in metrics_of(output) if "loss" in line] == [3, 6, 9, 12, 15, 18, 20, 21, 24]


def test_result_json_has_what_is_documented(finished):
    result = result_of(finished)
    assert HASH.fullmatch(result["state_hash"]) and HASH.fullmatch(result["weights_hash"])
    assert (result["steps"], result["ranks"]) == (STEPS, 3)
    assert 0.1 < result["test_accuracy"] <= 1
    assert result["images_per_second"] > 0 and result["step_ms_median"] > 0
    assert 0 < result["seconds"] < 120
    manifest = json.loads((finished / "checkpoint" / "step-00000020" / "manifest.json").read_text())
    assert manifest["state_hash"] == result["state_hash"]
    assert manifest["arrays"]["weights"] == result["weights_hash"]


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
    # Without a result nothing shows that there has been one: two saves were due, and both may have come to nothing.
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
        first.wait_for_event("step")  # the first is not disturbed


def test_when_the_holder_of_the_lock_was_killed_the_folder_is_free_again(settings, tmp_path):
    command = train_command(tmp_path / "run", 1, settings | {"training.max_steps": 200})
    with Started(command) as first:
        first.wait_for_event("step")
        first.process.kill()
        first.finish()
    assert run(command).exit_code == 0


@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_eval_repeats_the_accuracy_on_any_number_of_ranks(finished, ranks):
    outcome = run([LOCKSTEP, "eval", finished, "--ranks", ranks])
    assert outcome.exit_code == 0, outcome.output
    told, result = outcome.event("evaluation"), result_of(finished)
    for key in ("test_accuracy", "test_loss", "ema_test_accuracy", "ema_test_loss"):
        assert told[key] == result[key]
    assert told["step"] == STEPS


def test_eval_changes_nothing_but_the_logs(output):
    before = files_of(output)
    run([LOCKSTEP, "eval", output, "--ranks", 2])
    changed = {path for path, content in files_of(output).items() if before.get(path) != content}
    assert {path.parent.name for path in changed} <= {"log"}


def test_eval_finds_the_data_from_any_folder_and_where_they_have_moved(settings, small_data, tmp_path):
    shutil.copytree(small_data, tmp_path / "data")
    (tmp_path / "elsewhere").mkdir()
    options = set_options(settings | {"data.path": "data", "training.max_steps": 1})
    assert run([LOCKSTEP, "train", QUICKSTART, "--ranks", 1, "--output", "run", *options], cwd=tmp_path).exit_code == 0
    command = [LOCKSTEP, "eval", tmp_path / "run", "--ranks", 1]
    (tmp_path / "run" / "log" / "rank-0.log").unlink()
    (tmp_path / "run" / "log" / "rank-0.log").mkdir()  # as little can be written as on a file system that is read only
    outcome = run(command, cwd=tmp_path / "elsewhere")
    assert outcome.exit_code == 0 and "this evaluation leaves no log" in outcome.stderr, outcome.output
    (tmp_path / "data").rename(tmp_path / "moved")
    outcome = run(command)
    assert outcome.exit_code == 4 and "name what holds the data of the run with --data PATH" in outcome.stderr, (
        outcome.output
    )
    outcome = run([*command, "--data", "../moved"], cwd=tmp_path / "elsewhere")
    assert outcome.exit_code == 0, outcome.output
    assert outcome.event("evaluation")["test_accuracy"] == result_of(tmp_path / "run")["test_accuracy"]


def test_eval_of_a_folder_that_is_no_run_says_so_from_both_programs_alike(tmp_path):
    outcomes = [run([LOCKSTEP, "eval", tmp_path]), run([WORKER, "--eval", tmp_path])]
    for outcome in outcomes:
        assert f"{tmp_path} is not a run folder" in outcome.stderr
        assert outcome.exit_code == 2, outcome.output  # as for all that was asked for and cannot be used


def test_by_default_the_folder_is_runs_name_below_the_working_directory(settings, tmp_path):
    options = set_options(settings | {"training.max_steps": 1, "run.name": "mine"})
    outcome = run([LOCKSTEP, "train", QUICKSTART, "--ranks", "2", *options], cwd=tmp_path)
    assert outcome.exit_code == 0, outcome.output
    assert result_of(tmp_path / "runs" / "mine")["run"] == str(tmp_path / "runs" / "mine")


def test_the_folder_can_be_set_in_the_configuration_and_overridden(settings, tmp_path):
    short = settings | {"training.max_steps": 1, "run.output": str(tmp_path / "set")}
    assert run([LOCKSTEP, "train", QUICKSTART, "--ranks", "1", *set_options(short)]).exit_code == 0
    train(tmp_path / "option", 1, short)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["option", "set"]
