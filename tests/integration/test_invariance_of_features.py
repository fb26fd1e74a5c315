"""Every feature that acts on the numbers, switched on: the same state on 1, 2, 3 and 4 ranks, and across a stop and a
resume on another number of ranks."""

import pytest
from launching import metrics_of, result_of, train
from test_invariance import SAME, numbers_of

SETTINGS = {"model.name": "mlp", "model.hidden_sizes": [24, 16], "data.train_samples": 320, "data.test_samples": 60,
            "training.batch_size": 64, "training.gradient_accumulation_steps": 1, "training.micro_batch_size": 8,
            "training.epochs": 2, "training.log_every_steps": 1}
CONVOLUTIONS = {"model.name": "resnet20", "data.train_samples": 160, "training.batch_size": 32, "training.micro_batch_size": 4,
                "training.max_steps": 0}
RATES = {"adam": 1e-3, "rmsprop": 1e-3, "lars": 1.0, "lamb": 3e-3, "lion": 3e-4, "sophia": 1e-3, "muon": 2e-3}
FEATURES = {
    **{name: {"optimizer.name": name, "optimizer.learning_rate": rate} for name, rate in RATES.items()},
    "sophia-on-convolutions": CONVOLUTIONS | {"optimizer.name": "sophia", "optimizer.learning_rate": 1e-3,
                                              "optimizer.sophia_every_steps": 3},
    "muon-on-convolutions": CONVOLUTIONS | {"optimizer.name": "muon", "optimizer.learning_rate": 2e-3},
    "layer-decay-and-head": {"optimizer.layer_decay": 0.7, "optimizer.head_learning_rate": 0.2},
    "lr-scaling": {"optimizer.lr_scaling": "sqrt"},
    "clip-by-value": {"training.gradient_clip_value": 0.005, "training.gradient_clip_norm": 0.0},
    "plateau": {"schedule.name": "plateau", "schedule.plateau_patience": 0, "schedule.plateau_threshold": 0.5,
                "training.epochs": 5, "data.train_samples": 128, "schedule.warmup_ratio": 0.0},
    "onecycle": {"schedule.name": "onecycle", "schedule.warmup_ratio": 0.0},
    "restarts-and-cooldown": {"schedule.name": "cosine_restarts", "schedule.restart_epochs": 1, "schedule.cooldown_epochs": 1,
                              "schedule.warmup_method": "cosine", "training.epochs": 5, "data.train_samples": 128},
    "early-stopping": {"training.early_stopping": True, "training.early_stopping_metric": "ema_accuracy", "training.epochs": 5,
                       "training.early_stopping_patience": 2, "training.early_stopping_min_delta": 0.3,
                       "data.train_samples": 128},
    "class-weights": {"loss.class_weights": "effective_number", "loss.label_smoothing": 0.1},
    "focal": {"loss.name": "focal", "loss.class_weights": "inverse_sqrt"},
    "bce": {"loss.name": "bce"},
    "swa": CONVOLUTIONS | {"averaging.use_swa": True, "averaging.swa_start_epoch": 0, "averaging.swa_lr": 0.05},
    "bf16": CONVOLUTIONS | {"precision.mixed_precision": "bf16"},
    "fp16-with-skipped-steps": {"precision.mixed_precision": "fp16", "training.micro_batch_size": 16}}


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
        assert {key: result_of(output).get(key) for key in SAME} == {key: result_of(one).get(key) for key in SAME}
    assert result_of(one)["state_hash"] != plain, "the feature does nothing"
    assert numbers_of(three) == numbers_of(one)
    assert steps_of(stopped)[-1]["loss"] == steps_of(one)[-1]["loss"]
