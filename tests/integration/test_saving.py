"""Checkpoints are written while the next steps run. Each holds exactly its own step, and all ranks notice an error on
any."""

import json
import resource

import pytest

from tests.support.launching import Started, checkpoints_of, train, train_command


def files_of(checkpoint):
    return {path.name: path.read_bytes() for path in checkpoint.iterdir() if path.name != "manifest.json"}


def checkpoint_of(output, step):
    return output / "checkpoint" / f"step-{step:08}"


@pytest.fixture(scope="module")
def everything(resnet):
    """Every array that a checkpoint can have, in channels-last tensors that are sharded across ranks."""
    return resnet | {
        "training.epochs": 2,
        "data.train_samples": 256,
        "averaging.use_swa": True,
        "averaging.swa_start_epoch": 0,
        "training.early_stopping": True,
        "training.restore_best": True,
        "optimizer.name": "adamw",
        "optimizer.learning_rate": 0.001,
        "checkpoint.every_steps": 1,
        "checkpoint.keep": 8,
    }


def test_a_checkpoint_has_the_same_bytes_from_any_number_of_ranks(everything, tmp_path):
    first = {}
    for ranks in (1, 2, 3, 5):
        train(tmp_path / str(ranks), ranks, everything)
        for checkpoint in (tmp_path / str(ranks) / "checkpoint").iterdir():
            found = files_of(checkpoint)
            assert {
                "weights.safetensors",
                "ema.safetensors",
                "swa.safetensors",
                "best.safetensors",
                "optimizer.safetensors",
            } == found.keys()
            assert first.setdefault(checkpoint.name, found) == found, f"{checkpoint.name} on {ranks} ranks"
    assert len(first) == 8


def test_saving_beside_the_steps_changes_no_bit_and_keeps_every_step_apart(mlp, tmp_path):
    """Step k of a run that saves after every step equals the final state of a run of k steps."""
    settings = mlp | {"training.max_steps": 6, "checkpoint.keep": 6}
    train(tmp_path / "run", 3, settings | {"checkpoint.every_steps": 1})
    for steps in (1, 4):
        train(tmp_path / str(steps), 2, settings | {"training.max_steps": steps})
        assert files_of(checkpoint_of(tmp_path / "run", steps)) == files_of(checkpoint_of(tmp_path / str(steps), steps))
    assert len(checkpoints_of(tmp_path / "run")) == 6


def test_a_checkpoint_is_reported_when_it_is_published_and_not_before(mlp, tmp_path):
    settings = mlp | {
        "training.max_steps": 30,
        "checkpoint.every_steps": 3,
        "checkpoint.every_epochs": 0,
        "checkpoint.keep": 100,
    }
    saved = []
    with Started(train_command(tmp_path / "run", 3, settings)) as started:
        while event := started.next_event():
            if event["event"] != "checkpoint":
                continue
            saved.append(event["step"])
            assert event["stopped_ms"] >= 0
            manifest = json.loads((checkpoint_of(tmp_path / "run", event["step"]) / "manifest.json").read_text())
            assert (manifest["step"], manifest["state_hash"]) == (event["step"], event["state_hash"])
        assert started.finish().exit_code == 0
    assert saved == list(range(3, 31, 3))


def limit_files(process, size):
    """From now on no file that the process writes can grow beyond this size: writes past it fail."""
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("rank", [0, 2])
def test_a_part_that_cannot_be_written_ends_all_ranks_and_nothing_is_published(mlp, tmp_path, rank):
    settings = mlp | {
        "training.max_steps": 60,
        "training.epochs": 8,
        "checkpoint.every_steps": 4,
        "model.hidden_sizes": [64, 64],
    }
    output = tmp_path / "run"
    with Started(train_command(output, 3, settings)) as started:
        published = started.wait_for_event("checkpoint")["step"]
        limit_files(started.process_of_rank(rank), 64 * 1024)
        outcome = started.finish()
    assert outcome.exit_code == 4, outcome.output
    assert "File too large" in outcome.stderr and ".writing/" in outcome.stderr, outcome.output
    assert ("on rank 2 (" in outcome.stderr) == (rank == 2), outcome.output
    assert not [name for name in checkpoints_of(output) if name.endswith(".writing")]
    newest = int(checkpoints_of(output)[-1].removeprefix("step-"))
    assert newest >= published
    assert train(output, 2, settings).event("start")["step"] == newest


def test_a_run_that_diverges_publishes_first_what_it_was_saving(mlp, tmp_path):
    settings = mlp | {
        "training.max_steps": 30,
        "checkpoint.every_steps": 1,
        "optimizer.learning_rate": 100.0,
        "training.gradient_clip_norm": 0,
    }
    with Started(train_command(tmp_path / "run", 2, settings)) as started:
        outcome = started.finish()
    assert outcome.exit_code == 6, outcome.output
    done = [event["step"] for event in outcome.events if event["event"] == "step"][-1]
    assert checkpoints_of(tmp_path / "run")[-1] == f"step-{done:08}"


def test_a_checkpoint_that_takes_longer_than_slurm_waits_is_a_warning_once(mlp, tmp_path):
    settings = mlp | {"training.max_steps": 4, "checkpoint.every_steps": 1}
    with Started(train_command(tmp_path / "run", 2, settings), environment={"LOCKSTEP_GRACE_SECONDS": "0"}) as started:
        outcome = started.finish()
    assert outcome.exit_code == 0, outcome.output
    assert outcome.stderr.count("and Slurm leaves 0 s") == 1, outcome.output
    assert "--signal-seconds" in outcome.stderr
