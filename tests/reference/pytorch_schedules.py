"""The learning rate of each step, computed with torch.optim.lr_scheduler."""

import math
import warnings

import torch
from torch.optim import lr_scheduler

from tests.reference.runs import samples_per_step, steps_per_epoch


def warmup_steps(config):
    schedule, all_steps = config["schedule"], config["training"]["epochs"] * steps_per_epoch(config)
    return (
        schedule["warmup_steps"]
        + schedule["warmup_epochs"] * steps_per_epoch(config)
        + int(schedule["warmup_ratio"] * all_steps + 0.5)
    )


def main_scheduler(optimizer, config, steps, plateau):
    """The schedule after the warm-up, over `steps` steps."""
    schedule, epoch, gamma = config["schedule"], steps_per_epoch(config), config["schedule"]["gamma"]
    base, lowest = optimizer.param_groups[0]["initial_lr"], schedule["min_lr"]
    return {
        "constant": lambda: lr_scheduler.ConstantLR(optimizer, 1.0),
        "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, steps, lowest),
        "cosine_restarts": lambda: lr_scheduler.CosineAnnealingWarmRestarts(
            optimizer, schedule["restart_epochs"] * epoch, schedule["restart_factor"], lowest
        ),
        "polynomial": lambda: lr_scheduler.LambdaLR(
            optimizer,
            lambda step: (lowest + (base - lowest) * polynomial(step, steps, schedule["polynomial_power"])) / base,
        ),
        "onecycle": lambda: lr_scheduler.OneCycleLR(
            optimizer,
            base,
            steps,
            pct_start=schedule["onecycle_rise"],
            div_factor=schedule["onecycle_start_factor"],
            final_div_factor=schedule["onecycle_end_factor"],
            cycle_momentum=False,
        ),
        "step": lambda: lr_scheduler.StepLR(optimizer, schedule["step_epochs"] * epoch, gamma),
        "multistep": lambda: lr_scheduler.MultiStepLR(optimizer, [e * epoch for e in schedule["milestones"]], gamma),
        "exponential": lambda: lr_scheduler.StepLR(optimizer, epoch, gamma),  # ExponentialLR, stepped once per epoch
        "plateau": lambda: lr_scheduler.LambdaLR(optimizer, lambda step: plateau[step] / base),
    }[schedule["name"]]()


def polynomial(step, steps, power):
    """The learning rate factor of PolynomialLR, which has no minimum."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], 1.0)
    scheduler = lr_scheduler.PolynomialLR(optimizer, steps, power)
    for _ in range(step):
        scheduler.step()
    return optimizer.param_groups[0]["lr"]


BY_EPOCHS = {"step", "multistep", "exponential", "plateau"}  # their drops are counted from the start of the run


def warmup_scheduler(optimizer, config):
    """Rises from 1 / steps to 1, linearly or along half a cosine."""
    warmup = max(warmup_steps(config), 1)
    if config["schedule"]["warmup_method"] == "cosine":
        return lr_scheduler.LambdaLR(
            optimizer, lambda step: (1 - math.cos(math.pi * min(step + 1, warmup) / warmup)) / 2
        )
    return lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, max(warmup - 1, 1))


def rates_of(config, make_scheduler, steps):
    """The learning rate of each of `steps` steps under one scheduler."""
    optimizer, rates = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], base_rate(config)), []
    optimizer.param_groups[0]["initial_lr"] = base_rate(config)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the scheduler steps without the optimiser
        scheduler = make_scheduler(optimizer)
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            if len(rates) < steps:
                scheduler.step()
    return rates


def base_rate(config):
    settings, samples = config["optimizer"], samples_per_step(config)
    power = {"none": 0, "linear": 1, "sqrt": 0.5}[settings.get("lr_scaling", "none")]
    return settings["learning_rate"] * (samples / settings.get("lr_scaling_base_batch", 256)) ** power


def plateau_rates(config, epoch_losses):
    """ReduceLROnPlateau, given the loss after each epoch; one learning rate for each step."""
    schedule = config["schedule"]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], base_rate(config))
    scheduler = lr_scheduler.ReduceLROnPlateau(
        optimizer,
        "min" if schedule["plateau_metric"] == "loss" else "max",
        schedule["gamma"],
        schedule["plateau_patience"],
        schedule["plateau_threshold"],
        min_lr=schedule["min_lr"],
    )
    rates = [base_rate(config)] * steps_per_epoch(config)
    for loss in epoch_losses:
        scheduler.step(loss)
        rates += [optimizer.param_groups[0]["lr"]] * steps_per_epoch(config)
    return rates


def learning_rates(config, steps, epoch_losses=()):
    """Warm-up, then the schedule over the remaining steps, then the cool-down. Drops by epochs are counted from the
    start of the run; PyTorch has no counterpart to min_lr as their minimum."""
    warmup, schedule = warmup_steps(config), config["schedule"]
    end = (config["training"]["epochs"] - schedule["cooldown_epochs"]) * steps_per_epoch(config)
    plateau = plateau_rates(config, epoch_losses) if schedule["name"] == "plateau" else None
    by_epochs = schedule["name"] in BY_EPOCHS
    rise = rates_of(config, lambda optimizer: warmup_scheduler(optimizer, config), min(warmup, steps))
    main = rates_of(
        config,
        lambda optimizer: main_scheduler(optimizer, config, end - warmup, plateau),
        min(steps, end) - (0 if by_epochs else warmup),
    )
    if by_epochs:
        main = [max(rate, schedule["min_lr"]) for rate in main[warmup:]]
    rates = rise + main
    return rates + [schedule["min_lr"]] * (steps - len(rates))
