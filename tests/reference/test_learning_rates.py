"""The learning rate of every step of whole runs, compared with torch.optim.lr_scheduler."""

import json
import random

import pytest

from tests.reference.pytorch_schedules import base_rate, learning_rates, warmup_steps
from tests.reference.runs import configuration, steps_per_epoch

EPOCHS = {"training": {"epochs": 6}}  # of four steps each
SCHEDULES = {
    "constant": {"name": "constant"},
    "cosine": {"name": "cosine", "min_lr": 0.003},
    "step": {"name": "step", "step_epochs": 2, "gamma": 0.3, "min_lr": 0.02},
    "multistep": {"name": "multistep", "milestones": [1, 4], "gamma": 0.4},
    "exponential": {"name": "exponential", "gamma": 0.7, "min_lr": 0.03},
    "cosine_restarts": {"name": "cosine_restarts", "restart_epochs": 1, "restart_factor": 2, "min_lr": 0.002},
    "polynomial": {"name": "polynomial", "polynomial_power": 1.7, "min_lr": 0.004},
}
ONECYCLE = {"name": "onecycle", "onecycle_rise": 0.3, "onecycle_start_factor": 20.0, "onecycle_end_factor": 1000.0}
WARMUPS = {
    "none": {},
    "5-steps": {"warmup_steps": 5},
    "1-step": {"warmup_steps": 1},
    "ratio-0.3-cosine": {"warmup_ratio": 0.3, "warmup_method": "cosine"},
    "2-epochs": {"warmup_epochs": 2},
}


@pytest.mark.parametrize("warmup", WARMUPS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_are_those_of_pytorch(lockstep, note, schedule, warmup):
    config = configuration(EPOCHS, {"schedule": SCHEDULES[schedule]}, {"schedule": WARMUPS[warmup]})
    compare(lockstep(config), config, 24, note)


def test_one_cycle_is_that_of_pytorch(lockstep, note):
    config = configuration(EPOCHS, {"schedule": ONECYCLE})
    compare(lockstep(config), config, 24, note)


@pytest.mark.parametrize("number", range(8))
def test_learning_rates_with_random_settings_are_those_of_pytorch(lockstep, note, number):
    draw = random.Random(number)
    schedule = dict(draw.choice([*SCHEDULES.values(), ONECYCLE]))
    settings = {
        "gamma": draw.uniform(0.2, 0.95),
        "step_epochs": draw.randint(1, 3),
        "min_lr": draw.uniform(0, 0.01),
        "restart_epochs": draw.randint(1, 2),
        "restart_factor": draw.randint(1, 3),
        "polynomial_power": draw.uniform(0.5, 3),
        "onecycle_rise": draw.uniform(0.1, 0.8),
    }
    if schedule["name"] not in ("constant", "onecycle"):
        settings |= {
            "cooldown_epochs": draw.choice([0, 1, 2]),
            "warmup_steps": draw.choice([0, 3, 6]),
            "warmup_method": draw.choice(["linear", "cosine"]),
        }
    scaling = {"lr_scaling": draw.choice(["none", "linear", "sqrt"]), "lr_scaling_base_batch": draw.choice([16, 100])}
    config = configuration(
        {"training": {"epochs": 7}, "schedule": schedule}, {"schedule": settings, "optimizer": scaling}
    )
    compare(lockstep(config), config, 28, note)


def test_one_cycle_may_rise_within_its_first_step(lockstep, note):
    config = configuration(
        {"training": {"epochs": 1}, "data": {"train_samples": 320}, "schedule": ONECYCLE | {"onecycle_rise": 0.1}}
    )
    assert all(0 < step["learning_rate"] <= 0.1 for step in lockstep(config).steps)


def test_a_run_cut_short_follows_the_schedule_of_all_its_epochs(lockstep, note):
    config = configuration(
        EPOCHS, {"training": {"max_steps": 9}, "schedule": SCHEDULES["cosine"] | {"warmup_ratio": 0.3}}
    )
    compare(lockstep(config), config, 9, note)


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_drops_on_a_plateau_are_those_of_pytorch(lockstep, note, metric):
    schedule = {
        "name": "plateau",
        "gamma": 0.3,
        "plateau_patience": 1,
        "plateau_threshold": 0.01,
        "plateau_metric": metric,
        "min_lr": 0.002,
        "warmup_steps": 2,
    }
    config = configuration({"training": {"epochs": 16}, "schedule": schedule, "optimizer": {"learning_rate": 0.5}})
    run = lockstep(config)
    values = [line[f"test_{metric}"] for line in run.evaluations]
    assert len(values) == 16  # every epoch, although evaluate_every_epochs is 0
    compare(run, config, 64, note, values)
    assert run.steps[-1]["learning_rate"] < 0.5, "nothing was a plateau"


@pytest.mark.parametrize("rule, expected", [("linear", "0.1 x 32 / 256 = 0.0125"), ("sqrt", "0.1 x sqrt(32 / 256) = ")])
def test_the_scaling_to_the_batch_is_derived_before_the_first_step(lockstep, rule, expected):
    run = lockstep(configuration(EPOCHS, {"optimizer": {"lr_scaling": rule, "lr_scaling_base_batch": 256}}))
    [start] = [event for event in run.events if event["event"] == "start"]
    assert [event["event"] for event in run.events[:3]] == ["map", "start", "step"]
    assert start["learning_rate_scaling"].startswith(expected), json.dumps(start)


def compare(run, config, steps, note, epoch_values=()):
    found, expected = [step["learning_rate"] for step in run.steps], learning_rates(config, steps, epoch_values)
    assert len(found) == steps and steps_per_epoch(config) == 4
    worst = max(abs(rate - wanted) / base_rate(config) for rate, wanted in zip(found, expected, strict=True))
    note(
        f"{config['schedule']['name']}: worst difference of {steps} learning rates {worst:.1e} of the base rate, "
        f"warm-up {warmup_steps(config)} steps"
    )
    assert worst < 1e-12
