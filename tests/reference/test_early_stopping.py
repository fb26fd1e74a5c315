"""When early stopping ends a run, and with which weights, compared with an evaluation of the run's own metrics."""

import pytest
import torch

from tests.reference.runs import as_toml, call, configuration

# Few samples and a high learning rate: the test loss soon rises, and the accuracy fluctuates.
OVERFITTING = {
    "data": {"train_samples": 130, "test_samples": 300},
    "training": {"epochs": 40, "early_stopping": True},
    "optimizer": {"learning_rate": 0.5},
    "checkpoint": {"every_epochs": 1, "keep": 1000},
}
CASES = {
    "accuracy": {"early_stopping_metric": "accuracy", "early_stopping_patience": 4},
    "loss": {"early_stopping_metric": "loss", "early_stopping_patience": 3, "early_stopping_min_delta": 0.01},
    "ema_accuracy": {"early_stopping_metric": "ema_accuracy", "early_stopping_patience": 3},
    "ema_loss": {"early_stopping_metric": "ema_loss", "early_stopping_patience": 2},
}


def last_epoch(values, patience, min_delta):
    """(epochs until the end, best epoch), counted from 1, by the rule of EarlyStopping in Keras."""
    best, best_epoch = values[0], 1
    for epoch, value in enumerate(values[1:], 2):
        if value > best + min_delta:
            best, best_epoch = value, epoch
        elif epoch - best_epoch >= patience:
            return epoch, best_epoch
    return len(values), best_epoch


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("case", CASES)
def test_the_run_ends_when_the_metric_has_not_improved_and_leaves_the_best_weights(lockstep, note, case, restore):
    settings = CASES[case] | {"restore_best": restore}
    config = configuration(
        OVERFITTING, {"training": settings, "averaging": {"model_ema": True, "model_ema_decay": 0.8}}
    )
    run = lockstep(config, 2)
    metric, sign = "ema_test_" if case.startswith("ema") else "test_", -1 if case.endswith("loss") else 1
    values = [sign * line[metric + case.removeprefix("ema_")] for line in run.evaluations]
    end, best = last_epoch(values, settings["early_stopping_patience"], settings.get("early_stopping_min_delta", 0.0))
    note(f"ended after epoch {len(values)} of 40, best epoch {best}")
    assert len(values) == end < 40, "the run did not stop early, or not there"
    assert run.result["steps"] == end * 4
    left, kind = run.exported(), "ema" if case.startswith("ema") and restore else "weights"
    expected = run.tensors(kind, 4 * (best if restore else end))
    for name, tensor in expected.items():
        if "num_batches" not in name:
            assert torch.equal(left[name], tensor), name


def test_more_epochs_do_not_wake_a_run_that_has_stopped_early(lockstep):
    config = configuration(OVERFITTING, {"training": CASES["accuracy"]})
    run = lockstep(config)
    (run.folder / "config.toml").write_text(as_toml(configuration(config, {"training": {"epochs": 60}})))
    again = call("train", run.folder / "config.toml", "--output", run.folder / "run", "--ranks", 1)
    assert again[-1]["steps"] == run.result["steps"] and again[-1]["state_hash"] == run.result["state_hash"]
