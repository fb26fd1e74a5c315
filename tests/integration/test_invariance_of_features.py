"""Each feature that affects the numbers gives the same state on 1, 2, 3 and 4 ranks, and when a run is stopped and
resumed on another number of ranks."""

import os
import signal

import pytest

from tests.integration.test_invariance import figures_of, numbers_of
from tests.support.launching import Started, metrics_of, result_of, train, train_command

SETTINGS = {
    "model.name": "mlp",
    "model.hidden_sizes": [24, 16],
    "data.train_samples": 320,
    "data.test_samples": 60,
    "training.batch_size": 64,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 8,
    "training.epochs": 2,
    "training.log_every_steps": 1,
    "precision.mixed_precision": "none",
}
CONVOLUTIONS = {
    "model.name": "resnet20",
    "data.train_samples": 160,
    "training.batch_size": 32,
    "training.micro_batch_size": 4,
    "training.max_steps": 0,
}
RATES = {"adam": 1e-3, "rmsprop": 1e-3, "lars": 1.0, "lamb": 3e-3, "lion": 3e-4, "sophia": 1e-3, "muon": 2e-3}
FEATURES = {
    **{name: {"optimizer.name": name, "optimizer.learning_rate": rate} for name, rate in RATES.items()},
    "sophia-on-convolutions": CONVOLUTIONS
    | {"optimizer.name": "sophia", "optimizer.learning_rate": 1e-3, "optimizer.sophia_every_steps": 3},
    "muon-on-convolutions": CONVOLUTIONS | {"optimizer.name": "muon", "optimizer.learning_rate": 2e-3},
    "layer-decay-and-head": {"optimizer.layer_decay": 0.7, "optimizer.head_learning_rate": 0.2},
    "lr-scaling": {"optimizer.lr_scaling": "sqrt"},
    "clip-by-value": {"training.gradient_clip_value": 0.005, "training.gradient_clip_norm": 0.0},
    "plateau": {
        "schedule.name": "plateau",
        "schedule.plateau_patience": 0,
        "schedule.plateau_threshold": 0.5,
        "training.epochs": 5,
        "data.train_samples": 128,
        "schedule.warmup_ratio": 0.0,
    },
    "onecycle": {"schedule.name": "onecycle", "schedule.warmup_ratio": 0.0},
    "restarts-and-cooldown": {
        "schedule.name": "cosine_restarts",
        "schedule.restart_epochs": 1,
        "schedule.cooldown_epochs": 1,
        "schedule.warmup_method": "cosine",
        "training.epochs": 5,
        "data.train_samples": 128,
    },
    "early-stopping": {
        "training.early_stopping": True,
        "training.early_stopping_metric": "ema_accuracy",
        "training.epochs": 5,
        "training.early_stopping_patience": 2,
        "training.early_stopping_min_delta": 0.3,
        "data.train_samples": 128,
    },
    "class-weights": {"loss.class_weights": "effective_number", "loss.label_smoothing": 0.1},
    "focal": {"loss.name": "focal", "loss.class_weights": "inverse_sqrt"},
    "bce": {"loss.name": "bce"},
    "swa": CONVOLUTIONS | {"averaging.use_swa": True, "averaging.swa_start_epoch": 0, "averaging.swa_lr": 0.05},
    "int8": CONVOLUTIONS | {"quantization.quantization_aware": True},
    "bf16": {"precision.mixed_precision": "bf16"},
    "bf16-gradients": {"distributed.gradient_format": "bf16"},
    "fp16-gradients": CONVOLUTIONS | {"distributed.gradient_format": "fp16"},
    "fp16-with-skipped-steps": {"precision.mixed_precision": "fp16", "training.micro_batch_size": 16},
}


@pytest.fixture(scope="module")
def plain(small_data, tmp_path_factory):
    """The state hash without any of the features."""
    output = tmp_path_factory.mktemp("plain") / "run"
    train(output, 1, SETTINGS | {"data.path": str(small_data)})
    return result_of(output)["state_hash"]


def steps_of(output):
    return [line for line in metrics_of(output) if "loss" in line]


@pytest.mark.parametrize("feature", FEATURES)
def test_the_state_is_that_of_one_rank_across_a_stop_and_a_resume(small_data, plain, tmp_path, feature):
    settings = SETTINGS | {"data.path": str(small_data)} | FEATURES[feature]
    one, three, stopped = (tmp_path / name for name in ("one", "three", "stopped"))
    train(one, 1, settings)
    train(three, 3, settings)
    train(stopped, 2, settings | {"training.max_steps": 5})
    train(stopped, 4, settings)
    for output in (three, stopped):
        assert figures_of(output) == figures_of(one)
    assert result_of(one)["state_hash"] != plain, "the feature does nothing"
    assert numbers_of(three) == numbers_of(one)
    assert steps_of(stopped)[-1]["loss"] == steps_of(one)[-1]["loss"]


@pytest.mark.parametrize("gradients", ["float32", "bf16", "fp16"])
def test_the_state_is_the_same_in_shared_memory_and_over_messages(small_data, tmp_path, gradients):
    settings = SETTINGS | {"data.path": str(small_data), "distributed.gradient_format": gradients}
    train(tmp_path / "shared", 3, settings)
    train(tmp_path / "messages", 3, settings | {"distributed.shared_memory": False})
    shared, messages = (result_of(tmp_path / name) for name in ("shared", "messages"))
    assert messages["state_hash"] == shared["state_hash"]
    assert shared["exchange"] == {"messages_per_step": 0, "bytes_per_step": 0}
    assert messages["exchange"]["bytes_per_step"] > 0


def test_gradients_of_16_bits_are_half_the_bytes_on_the_way_to_the_sum(small_data, tmp_path):
    # For the rank that sends most. Shards are whole blocks, so the ratio is not exact; the metrics stay float32.
    settings = SETTINGS | {
        "data.path": str(small_data),
        "model.hidden_sizes": [512],
        "training.max_steps": 2,
        "distributed.shared_memory": False,
    }
    sent = {}
    for gradients in ("float32", "bf16"):
        train(tmp_path / gradients, 2, settings | {"distributed.gradient_format": gradients})
        sent[gradients] = result_of(tmp_path / gradients)["exchange"]["bytes_per_step"]
    # Gradients and weights have equally many bytes in float32; the weights stay float32.
    assert sent["bf16"] / sent["float32"] == pytest.approx(0.75, abs=0.005)


def test_a_taught_network_ends_in_one_state(small_data, tmp_path):
    settings = SETTINGS | {"data.path": str(small_data), "distillation.temperature": 2.0}
    train(tmp_path / "teacher", 2, settings | {"model.hidden_sizes": [64], "averaging.model_ema": True})
    taught = settings | {"distillation.teacher": str(tmp_path / "teacher")}
    train(tmp_path / "one", 1, taught)
    train(tmp_path / "stopped", 3, taught | {"training.max_steps": 5})
    train(tmp_path / "stopped", 4, taught)
    assert result_of(tmp_path / "stopped")["state_hash"] == result_of(tmp_path / "one")["state_hash"]


EVERYTHING = CONVOLUTIONS | {
    "training.epochs": 3,
    "training.batch_size": 16,
    "data.train_samples": 64,
    "data.test_samples": 20,
    "optimizer.name": "lamb",
    "optimizer.learning_rate": 3e-3,
    "optimizer.layer_decay": 0.9,
    "optimizer.head_learning_rate": 0.01,
    "optimizer.lr_scaling": "sqrt",
    "training.gradient_accumulation_steps": 2,
    "training.gradient_clip_norm": 1.0,
    "training.early_stopping": True,
    "training.early_stopping_metric": "ema_loss",
    "schedule.name": "polynomial",
    "schedule.warmup_ratio": 0.1,
    "schedule.warmup_method": "cosine",
    "schedule.cooldown_epochs": 1,
    "loss.label_smoothing": 0.1,
    "loss.class_weights": "inverse_sqrt",
    "model.dropout": 0.2,
    "model.drop_path": 0.2,
    "model.activation": "silu",
    "model.zero_init_residual": True,
    "averaging.model_ema": True,
    "averaging.use_swa": True,
    "averaging.swa_start_epoch": 1,
    "precision.mixed_precision": "bf16",
    "augmentation.crop_padding": 2,
    "augmentation.flip_probability": 0.5,
    "augmentation.rand_augment": True,
    "augmentation.brightness": 0.3,
    "augmentation.random_erasing": 0.3,
    "augmentation.mixup_alpha": 0.4,
    "augmentation.cutmix_prob": 0.5,
    "augmentation.repeated_augmentation": 2,
    "checkpoint.every_steps": 1,
    "reliability.audit_every": 1,
    "reliability.max_restarts": 0,
}


def test_everything_at_once_gives_the_state_of_one_rank_across_kills(small_data, tmp_path):
    settings = SETTINGS | EVERYTHING | {"data.path": str(small_data)}
    train(tmp_path / "one", 1, settings)
    for ranks in (2, 3):
        train(tmp_path / str(ranks), ranks, settings)
        assert numbers_of(tmp_path / str(ranks)) == numbers_of(tmp_path / "one")
        assert result_of(tmp_path / str(ranks))["state_hash"] == result_of(tmp_path / "one")["state_hash"]
    for ranks, step in ((4, 1), (2, 4)):
        with Started(train_command(tmp_path / "killed", ranks, settings)) as started:
            started.wait_for_event("checkpoint", step=step)
            os.kill(started.process_of_rank(ranks - 1), signal.SIGKILL)
            assert started.finish().exit_code != 0
    train(tmp_path / "killed", 4, settings)
    assert result_of(tmp_path / "killed")["state_hash"] == result_of(tmp_path / "one")["state_hash"]
