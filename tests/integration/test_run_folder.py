"""What a run leaves in its folder, and what `lockstep eval` does with it (test_run_folder_again.py: another start
there)."""

import json
import re
import shutil
import tomllib

import pytest

from tests.integration.finished_run import HASH, SETTINGS, STEPS, STEPS_PER_EPOCH, files_of
from tests.support.launching import (
    LOCKSTEP,
    QUICKSTART,
    WORKER,
    checkpoints_of,
    metrics_of,
    result_of,
    run,
    set_options,
    train,
)


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
    assert [line["step"] for line in evaluations] == [8, 16, 20]  # at the end of each epoch and of the run
    for line in steps:
        assert line["epoch"] == (line["step"] - 1) // STEPS_PER_EPOCH + 1
        assert 0 <= line["train_accuracy"] <= 1 and line["loss"] > 0 and line["gradient_norm"] > 0
        assert line["step_ms"] > 0 and line["images_per_second"] > 0 and line["learning_rate"] > 0
    for line in evaluations:
        assert 0 <= line["test_accuracy"] <= 1 and 0 <= line["ema_test_accuracy"] <= 1


def test_steps_rise_in_metrics_after_a_resume_from_before_their_last(output, settings):
    """The newest checkpoint is lost, so steps 17 to 20 are done and logged a second time."""
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
    (tmp_path / "run" / "log" / "rank-0.log").mkdir()  # cannot be written to, as on a read-only file system
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
        assert outcome.exit_code == 2, outcome.output  # as for every requested file that cannot be used


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
