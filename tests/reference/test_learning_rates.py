"""The learning rate of every step of whole runs against torch.optim.lr_scheduler."""
import pytest
from pytorch_training import learning_rates, warmup_steps
from runs import configuration, steps_per_epoch

EPOCHS = {"training": {"epochs": 6}}  # of four steps each
SCHEDULES = {"constant": {"name": "constant"}, "cosine": {"name": "cosine", "min_lr": 0.003},
             "step": {"name": "step", "step_epochs": 2, "gamma": 0.3, "min_lr": 0.02}}
WARMUPS = {"none": {}, "5-steps": {"warmup_steps": 5}, "1-step": {"warmup_steps": 1}, "ratio-0.3": {"warmup_ratio": 0.3},
           "2-epochs": {"warmup_epochs": 2}}


@pytest.mark.parametrize("warmup", WARMUPS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rates_are_those_of_pytorch(lockstep, note, schedule, warmup):
    config = configuration(EPOCHS, {"schedule": SCHEDULES[schedule]}, {"schedule": WARMUPS[warmup]})
    compare(lockstep(config), config, 24, note)


def test_a_run_cut_short_follows_the_schedule_of_all_its_epochs(lockstep, note):
    config = configuration(EPOCHS, {"training": {"max_steps": 9}, "schedule": SCHEDULES["cosine"] | WARMUPS["ratio-0.3"]})
    compare(lockstep(config), config, 9, note)


def compare(run, config, steps, note):
    found, expected = [step["learning_rate"] for step in run.steps], learning_rates(config, steps)
    assert len(found) == steps and steps_per_epoch(config) == 4
    worst = max(abs(rate / wanted - 1) for rate, wanted in zip(found, expected))
    note(f"worst relative difference of {steps} learning rates {worst:.1e}, warm-up {warmup_steps(config)} steps")
    assert worst < 1e-12
