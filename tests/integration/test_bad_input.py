"""All ranks refuse unusable input within seconds, naming its place and a remedy, with the documented exit code."""

import gzip
import shutil

import pytest
import torch
from safetensors.torch import save_file

from tests.integration.refusals import (
    CONFIG,
    COUNT,
    DIVERGED,
    IO,
    STARTERS,
    expect_error,
    expect_refused,
    start,
    write_parts,
)
from tests.support.idx_files import SIDE, file_names, idx
from tests.support.launching import (
    LOCKSTEP,
    MPI_ENVIRONMENT,
    QUICKSTART,
    WORKER,
    metrics_of,
    mpirun,
    run,
    train_command,
)

CONFIG_SECONDS = 3  # in addition to the time that mpirun itself takes
IMAGES, LABELS = file_names("train")


# name: (the file, or None if it is missing; the words of the message after the file's name)
CONFIGS = {
    "missing": (None, ["No such file", "check the path"]),
    "empty batch": ("[training]\nbatch_size = 0\n", [":2:1: training.batch_size = 0 is out of range", "1 .. 1048576"]),
    "broken": ("[training\nbatch_size = 1\n", [":1:", "not valid TOML", "correct this place"]),
    "unclosed text": ('[model]\nname = "mlp\n', [":2:", "not valid TOML"]),
    "unknown key": (
        "[optimizer]\n\nlearnin_rate = 1\n",
        [":3:1: unknown key optimizer.learnin_rate", "did you mean optimizer.learning_rate?"],
    ),
    "key of another tool": ("[optimizer]\nlr = 1\n", [":2:1: unknown key optimizer.lr", "optimizer.learning_rate"]),
    "unknown section": ("[trainin]\nepochs = 1\n", [":1:", "unknown section [trainin]", "did you mean [training]?"]),
    "wrong type": ('[training]\nbatch_size = "many"\n', [":2:1: training.batch_size", "whole number"]),
    "part of a sample": ("[training]\nbatch_size = 1.5\n", [":2:1: training.batch_size", "whole number"]),
    "out of range": ("[optimizer]\nmomentum = 1.5\n", [":2:1: optimizer.momentum = 1.5 is out of range", "0.99"]),
    "not one of": ('[model]\nname = "resnet19"\n', [":2:1:", "resnet19", "resnet18"]),
    "contradiction": (
        "[training]\nbatch_size = 100\nmicro_batch_size = 32\n",
        [":3:1: training.micro_batch_size = 32 does not divide training.batch_size = 100", "take 25"],
    ),
    "batch larger than the samples": (
        "[data]\ntrain_samples = 100\n[training]\nbatch_size = 128\n",
        [":2:1: data.train_samples = 100 is less than one step takes", "smaller batch"],
    ),
}


@pytest.mark.parametrize("starter", STARTERS)
@pytest.mark.parametrize("name", CONFIGS)
def test_a_configuration_that_cannot_be_used_is_refused_with_place_and_remedy(tmp_path, starter, name):
    text, words = CONFIGS[name]
    config = tmp_path / "my.toml"
    if text is not None:
        config.write_text(text)
    outcome = start(starter, config, tmp_path / "run", {})
    place, *rest = words
    expect_refused(outcome, CONFIG, [f"{config}{place}" if place.startswith(":") else str(config), place, *rest])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("starter", STARTERS)
def test_all_mistakes_are_named_at_once_each_with_its_place(tmp_path, starter):
    config = tmp_path / "my.toml"
    config.write_text("[training]\nbatch_size = 0\nepoch = 3\n[optimizer]\nname = 7\n")
    outcome = start(starter, config, tmp_path / "run", {"schedule.gamma": 2, "model.nam": "mlp"})
    assert outcome.exit_code == CONFIG
    lines = [line for line in outcome.stderr.splitlines() if str(config) in line or "--set" in line]
    places = [*(f"{config}:{line}:1: " for line in (2, 3, 5)), "--set schedule.gamma=2: ", "--set model.nam=mlp: "]
    assert len(lines) == len(places), outcome.output
    assert all(line.startswith(place) for line, place in zip(lines, places, strict=True)), outcome.output


def seconds_of_mpirun_alone():
    outcome = run(mpirun(3, ["true"]), environment=MPI_ENVIRONMENT)
    assert outcome.exit_code == 0
    return outcome.seconds


@pytest.mark.parametrize("ranks", [1, 3])
def test_a_mistake_in_the_configuration_ends_every_rank_with_its_code_within_seconds(tmp_path, ranks):
    """Each rank's shell records the rank's exit code and hides it from mpirun, which would kill the other ranks."""
    note = 'file=$1; shift; "$@"; echo $? > "$file.$OMPI_COMM_WORLD_RANK"'
    command = [WORKER, QUICKSTART, "--set", "training.batch_size=0", "--output", tmp_path / "run"]
    late = []
    for _ in range(3):  # other programs may hold the cores meanwhile
        alone = seconds_of_mpirun_alone()
        outcome = run(mpirun(ranks, ["sh", "-c", note, "sh", tmp_path / "code", *command]), environment=MPI_ENVIRONMENT)
        codes = [int((tmp_path / f"code.{rank}").read_text()) for rank in range(ranks)]
        assert codes == [CONFIG] * ranks
        if outcome.seconds < CONFIG_SECONDS + alone:
            return
        late.append(outcome.seconds)
    raise AssertionError(f"ended after {late} s")


def test_the_launcher_refuses_a_configuration_before_it_starts_anything(tmp_path):
    outcome = run([LOCKSTEP, "train", QUICKSTART, "--set", "training.batch_size=0"], environment={"PATH": "/nowhere"})
    expect_refused(outcome, CONFIG, ["--set training.batch_size=0: "])  # and nothing about the missing mpirun
    assert outcome.seconds < 1


def test_a_limit_of_open_files_is_raised_or_named(tmp_path, mlp):
    """With a limit of 32, mpirun would hang."""
    command = train_command(tmp_path / "run", 2, mlp | {"training.max_steps": 1})
    expect_refused(run(["prlimit", "--nofile=32:32", *command]), CONFIG, ["only 32 files", "need 80", "ulimit -n 4096"])
    outcome = run(["prlimit", "--nofile=32:1024", *command])
    assert outcome.exit_code == 0, outcome.output


@pytest.mark.parametrize("starter", STARTERS)
def test_an_output_below_a_file_is_refused(tmp_path, mlp, starter):
    (tmp_path / "file").write_text("")
    outcome = start(starter, QUICKSTART, tmp_path / "file" / "run", mlp)
    expect_refused(outcome, IO, ["cannot create the run folder", str(tmp_path / "file" / "run"), "--output"])


@pytest.mark.parametrize("starter", STARTERS)
def test_a_plan_that_cannot_be_read_is_refused(tmp_path, mlp, starter):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "plan.json").write_text("{")
    outcome = start(starter, QUICKSTART, tmp_path / "run", mlp)
    assert outcome.exit_code == CONFIG, outcome.output
    assert "plan.json" in outcome.stderr or "stored configuration" in outcome.stderr
    assert "start a new run" in outcome.stderr or "--fresh" in outcome.stderr


@pytest.mark.parametrize("starter", STARTERS)
def test_a_run_that_diverges_stops_and_names_a_remedy(tmp_path, mlp, starter):
    settings = mlp | {
        "optimizer.learning_rate": 99.0,
        "training.gradient_clip_norm": 0,
        "schedule.warmup_ratio": 0,
        "optimizer.momentum": 0.99,
        "optimizer.weight_decay": 10.0,
        "checkpoint.every_steps": 1,
    }
    outcome = start(starter, QUICKSTART, tmp_path / "run", settings)
    assert outcome.exit_code == DIVERGED, outcome.output
    [line] = [line for line in outcome.stderr.splitlines() if "not finite" in line]
    for words in ("step ", "optimizer.learning_rate", "warm-up", "training.gradient_clip_norm"):
        assert words in line
    last = max(line["step"] for line in metrics_of(tmp_path / "run"))
    assert (tmp_path / "run" / "checkpoint" / f"step-{last:08}").is_dir()  # the last finite state is kept
    assert not (tmp_path / "run" / "result.json").exists()


def black(tmp_path, mlp, **settings):
    """Black images, and an mlp with weights that are far too large but are multiplied by zeros only."""
    path = tmp_path / "large.safetensors"
    save_file(
        {
            "1.weight": torch.full((16, SIDE * SIDE), 3e38),
            "1.bias": torch.zeros(16),
            "3.weight": torch.ones(10, 16),
            "3.bias": torch.zeros(10),
        },
        path,
    )
    return (
        mlp
        | {
            "data.path": str(write_parts(tmp_path / "data")),
            "data.mean": [0.0],
            "data.std": [1.0],
            "model.pretrained": str(path),
            "optimizer.weight_decay": 10.0,
        }
        | settings
    )


def test_weights_that_overflow_after_the_last_loss_are_no_result_and_their_tensor_is_named(tmp_path, mlp):
    outcome = run(train_command(tmp_path / "run", 2, black(tmp_path, mlp, **{"training.max_steps": 1})))
    expect_error(outcome, DIVERGED, ["the test loss of the weights after step 1 is not finite", "1.weight has values"])
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_state_that_is_not_finite_is_not_saved(tmp_path, mlp):
    settings = black(
        tmp_path, mlp, **{"training.max_steps": 2, "checkpoint.every_steps": 1, "training.evaluate_every_epochs": 2}
    )
    outcome = run(train_command(tmp_path / "run", 2, settings))
    assert outcome.exit_code == DIVERGED, outcome.output
    for words in ("the state after step 1 is not saved", "in weights.safetensors, 1.weight has values"):
        assert words in outcome.stderr, outcome.output
    assert list((tmp_path / "run" / "checkpoint").iterdir()) == []


def test_a_run_whose_loss_scale_skips_every_step_is_no_success(tmp_path, mlp):
    settings = mlp | {"precision.mixed_precision": "fp16", "precision.loss_scale": 1e9, "training.max_steps": 2}
    outcome = run(train_command(tmp_path / "run", 2, settings))
    expect_error(outcome, DIVERGED, ["every step of the run was skipped", "2 of 2", "lower precision.loss_scale"])
    assert not (tmp_path / "run" / "result.json").exists()


def test_batch_norm_over_one_value_is_refused_with_the_layer_and_the_remedy(tmp_path, mlp):
    small = idx([COUNT, 4, 4], bytes(COUNT * 16))  # 1 x 1 pixels before the third batch norm
    data = write_parts(tmp_path / "data", train_images=small, test_images=small)
    settings = mlp | {"model.name": "small_cnn", "training.micro_batch_size": 1, "data.path": str(data)}
    outcome = run(train_command(tmp_path / "run", 2, settings))
    expect_error(outcome, CONFIG, ["no variance in bn3", "1 x 1", "set training.micro_batch_size = 2"])


def test_a_channel_that_never_changes_and_an_accuracy_of_guessing_are_told(tmp_path, mlp):
    settings = mlp | {"data.path": str(write_parts(tmp_path / "data")), "training.epochs": 1}
    outcome = run(train_command(tmp_path / "run", 2, settings))
    assert outcome.exit_code == 0, outcome.output
    for words in ("never change in channel 0", "10.00 % of 10 classes is that of guessing"):
        assert outcome.stderr.count(words) == 1, outcome.output


def test_data_that_changed_since_the_checkpoint_is_refused(tmp_path, mlp, small_data):
    data = shutil.copytree(small_data, tmp_path / "data")
    settings = mlp | {"data.path": str(data), "training.max_steps": 2}
    assert run(train_command(tmp_path / "run", 2, settings)).exit_code == 0
    content = gzip.decompress((data / LABELS).read_bytes())
    (data / LABELS).write_bytes(gzip.compress(content[:8] + content[8:][::-1], 1))
    outcome = run(train_command(tmp_path / "run", 2, settings | {"training.max_steps": 4}))
    expect_refused(outcome, CONFIG, ["is not that of the run in", str(data), "restore the data", "--fresh"])


def test_ranks_with_different_arguments_are_refused(tmp_path):
    """A mistake of users who start the ranks themselves: otherwise only rank 0's arguments would count."""
    outcome = run(
        [
            *mpirun(1, [WORKER, QUICKSTART, "--output", tmp_path / "run"]),
            ":",
            "-np",
            "1",
            WORKER,
            QUICKSTART,
            "--output",
            tmp_path / "other",
        ],
        environment=MPI_ENVIRONMENT,
    )
    expect_refused(outcome, CONFIG, ["the command line differs between ranks", "rank 1", "with the same arguments"])
    assert not (tmp_path / "run").exists()


def test_ranks_of_different_binaries_are_refused(tmp_path):
    other = tmp_path / "bin" / WORKER.name
    other.parent.mkdir()
    shutil.copy(WORKER, other)
    with open(other, "ab") as file:
        file.write(b"another build")
    arguments = [QUICKSTART, "--output", tmp_path / "run"]
    outcome = run([*mpirun(1, [WORKER, *arguments]), ":", "-np", "1", other, *arguments], environment=MPI_ENVIRONMENT)
    expect_refused(
        outcome, CONFIG, ["the build differs between ranks", "rank 1", "start all ranks with the same binary"]
    )
