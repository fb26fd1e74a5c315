#!/usr/bin/env python3
"""What each feature gains: a table of short runs on real data with and without the feature, over several seeds.

  .venv/bin/python3 -m tests.performance.ablation                       the table of docs/ablation.md
  .venv/bin/python3 -m tests.performance.ablation --seeds 5 --only ema,swa

Each run has one rank; as many run at a time as there are cores. LOCKSTEP_BIN is the folder of the programs
(build/bin)."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCKSTEP = Path(os.environ.get("LOCKSTEP_BIN", ROOT / "build/bin")) / "lockstep"
BASE = {
    "model.name": "small_cnn",
    "data.train_samples": 4000,
    "data.test_samples": 4000,
    "training.epochs": 6,
    "training.batch_size": 64,
    "training.micro_batch_size": 32,
    "training.evaluate_every_epochs": 0,
    "optimizer.learning_rate": 0.05,
    "optimizer.weight_decay": 5e-4,
    "schedule.name": "cosine",
    "schedule.warmup_ratio": 0.1,
    "checkpoint.every_epochs": 0,
    "reliability.collective_timeout_seconds": 600,
}
ADAMW = {"optimizer.name": "adamw", "optimizer.learning_rate": 3e-3, "optimizer.weight_decay": 0.05}
MLP = {"model.name": "mlp", "model.hidden_sizes": [128]}
SWA = {"averaging.use_swa": True, "averaging.swa_lr": 0.02, "averaging.swa_start_epoch": 3}
# name: (what is compared, settings without it, settings with it)
FEATURES = {
    "momentum": ("optimizer.momentum 0.9 against 0", {"optimizer.momentum": 0.0, "optimizer.nesterov": False}, {}),
    "nesterov": ("optimizer.nesterov", {"optimizer.nesterov": False}, {}),
    "adam": ("adam, 0.003, against sgd", {}, {"optimizer.name": "adam", "optimizer.learning_rate": 3e-3}),
    "adamw": ("adamw, 0.003, decay 0.05, against sgd", {}, ADAMW),
    "rmsprop": ("rmsprop, 0.0003, against sgd", {}, {"optimizer.name": "rmsprop", "optimizer.learning_rate": 3e-4}),
    "lars": ("lars, 5, against sgd", {}, {"optimizer.name": "lars", "optimizer.learning_rate": 5.0}),
    "lamb": ("lamb, 0.01, against sgd", {}, {"optimizer.name": "lamb", "optimizer.learning_rate": 1e-2}),
    "lion": (
        "lion, 0.002, beta2 0.99, decay 0.1, against sgd",
        {},
        {
            "optimizer.name": "lion",
            "optimizer.learning_rate": 2e-3,
            "optimizer.beta2": 0.99,
            "optimizer.weight_decay": 0.1,
        },
    ),
    "sophia": (
        "sophia, 0.002, against sgd",
        {},
        {"optimizer.name": "sophia", "optimizer.learning_rate": 2e-3, "optimizer.weight_decay": 0.1},
    ),
    "muon": (
        "muon, 0.005, decay 0.05, against sgd",
        {},
        ADAMW | {"optimizer.name": "muon", "optimizer.learning_rate": 5e-3},
    ),
    "weight_decay": ("optimizer.weight_decay 5e-4 against 0", {"optimizer.weight_decay": 0.0}, {}),
    "no_decay_bias_norm": ("optimizer.no_decay_bias_norm", {"optimizer.no_decay_bias_norm": False}, {}),
    "layer_decay": ("optimizer.layer_decay 0.8, from scratch", {}, {"optimizer.layer_decay": 0.8}),
    "cosine": ("schedule.name cosine against constant", {"schedule.name": "constant"}, {}),
    "onecycle": ("onecycle against cosine", {}, {"schedule.name": "onecycle", "schedule.warmup_ratio": 0.0}),
    "polynomial": ("polynomial against cosine", {}, {"schedule.name": "polynomial"}),
    "warmup": ("schedule.warmup_ratio 0.1 against 0", {"schedule.warmup_ratio": 0.0}, {}),
    "cooldown": ("schedule.cooldown_epochs 1", {}, {"schedule.cooldown_epochs": 1}),
    "lr_scaling": (
        "lr_scaling linear at batch 512",
        {"training.batch_size": 512},
        {"training.batch_size": 512, "optimizer.lr_scaling": "linear", "optimizer.lr_scaling_base_batch": 64},
    ),
    "clip_norm": ("training.gradient_clip_norm 1", {}, {"training.gradient_clip_norm": 1.0}),
    "clip_value": ("training.gradient_clip_value 0.1", {}, {"training.gradient_clip_value": 0.1}),
    "label_smoothing": ("loss.label_smoothing 0.1", {}, {"loss.label_smoothing": 0.1}),
    "focal": ("focal against cross_entropy", {}, {"loss.name": "focal"}),
    "bce": ("bce, ten times the rate, against cross_entropy", {}, {"loss.name": "bce", "optimizer.learning_rate": 0.5}),
    "class_weights": ("loss.class_weights inverse_sqrt, classes alike", {}, {"loss.class_weights": "inverse_sqrt"}),
    "dropout": ("model.dropout 0.2", {}, {"model.dropout": 0.2}),
    "silu": ("model.activation silu against relu", {}, {"model.activation": "silu"}),
    "crop": ("augmentation.crop_padding 2", {}, {"augmentation.crop_padding": 2}),
    "flip": ("augmentation.flip_probability 0.5", {}, {"augmentation.flip_probability": 0.5}),
    "resized_crop": (
        "random_resized_crop, scale from 0.5",
        {},
        {"augmentation.random_resized_crop": True, "augmentation.resized_crop_min_scale": 0.5},
    ),
    "jitter": ("brightness and contrast 0.2", {}, {"augmentation.brightness": 0.2, "augmentation.contrast": 0.2}),
    "rand_augment": (
        "rand_augment, 1 operation, magnitude 5",
        {},
        {
            "augmentation.rand_augment": True,
            "augmentation.rand_augment_layers": 1,
            "augmentation.rand_augment_magnitude": 5,
        },
    ),
    "trivial_augment": ("trivial_augment", {}, {"augmentation.trivial_augment": True}),
    "random_erasing": ("random_erasing 0.1", {}, {"augmentation.random_erasing": 0.1}),
    "mixup": ("mixup_alpha 0.2", {}, {"augmentation.mixup_alpha": 0.2}),
    "cutmix": ("cutmix_prob 0.3", {}, {"augmentation.cutmix_prob": 0.3}),
    "repeats": (
        "repeated_augmentation 2, with crop and flip",
        {"augmentation.crop_padding": 2, "augmentation.flip_probability": 0.5},
        {"augmentation.crop_padding": 2, "augmentation.flip_probability": 0.5, "augmentation.repeated_augmentation": 2},
    ),
    "ema": (
        "model_ema, decay 0.99, constant rate",
        {"schedule.name": "constant"},
        {"schedule.name": "constant", "averaging.model_ema": True, "averaging.model_ema_decay": 0.99},
    ),
    "swa": (
        "use_swa from epoch 3, swa_lr 0.02, constant rate before",
        {"schedule.name": "constant"},
        SWA | {"schedule.name": "constant"},
    ),
    "batch_norm": ("recompute_batch_norm for SWA", SWA | {"averaging.recompute_batch_norm": False}, SWA),
    "bf16": ("mixed_precision bf16 of an mlp", MLP, MLP | {"precision.mixed_precision": "bf16"}),
    "fp16": ("mixed_precision fp16 of an mlp, dynamic scale", MLP, MLP | {"precision.mixed_precision": "fp16"}),
    "distillation": ("distillation from resnet20, weight 0.5", {}, {"distillation.temperature": 4.0}),
    "int8": ("quantization_aware", {}, {"quantization.quantization_aware": True}),
    "zero_init": (
        "zero_init_residual of resnet20, 2 epochs",
        {"model.name": "resnet20", "training.epochs": 2},
        {"model.name": "resnet20", "training.epochs": 2, "model.zero_init_residual": True},
    ),
    "drop_path": (
        "drop_path 0.1 of resnet20, 2 epochs",
        {"model.name": "resnet20", "training.epochs": 2},
        {"model.name": "resnet20", "training.epochs": 2, "model.drop_path": 0.1},
    ),
}
TEACHER = {"model.name": "resnet20", "training.epochs": 4, "optimizer.learning_rate": 0.1}


def figure_of(settings):
    """The metric to compare: the accuracy of the averaged weights if the run keeps any."""
    averages = "swa_" if settings.get("averaging.use_swa") else "ema_" if settings.get("averaging.model_ema") else ""
    return f"{averages}test_accuracy"


def accuracy(settings, folder):
    """The accuracy of one run on one rank, in per cent."""
    options = [
        option
        for key, value in settings.items()
        for option in ("--set", f"{key}={value if isinstance(value, str) else json.dumps(value)}")
    ]
    done = subprocess.run(
        [LOCKSTEP, "train", folder.parent / "empty.toml", "--ranks", "1", "--output", folder, *options],
        capture_output=True,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, done.args))}\nexit status {done.returncode}\n{done.stderr}")
    return 100 * json.loads((folder / "result.json").read_text())[figure_of(settings)]


class Runs:
    """All the runs, each done once, as many at a time as there are cores."""

    def __init__(self, folder):
        self.folder, self.pool, self.known = folder, ThreadPoolExecutor(os.cpu_count()), {}

    def start(self, settings, seed):
        settings = BASE | settings | {"run.seed": seed}
        key = json.dumps(settings, sort_keys=True)
        if key not in self.known:
            self.known[key] = self.pool.submit(accuracy, settings, self.folder / f"run-{len(self.known)}")
        return self.known[key]


def row(name, pairs):
    """One line of the table; pairs: (without, with) for each seed."""
    without, having = zip(*pairs, strict=True)
    effects = [b - a for a, b in pairs]
    return (
        f"| {name} | {statistics.mean(without):.2f} | {statistics.mean(having):.2f} | {statistics.mean(effects):+.2f} "
        f"| {statistics.stdev(effects):.2f} |"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="runs of each kind (3)")
    parser.add_argument("--only", default=",".join(FEATURES), help="features, separated by commas")
    options = parser.parse_args()
    if unknown := set(options.only.split(",")) - FEATURES.keys():
        parser.error(f"unknown features {', '.join(sorted(unknown))} (known are {', '.join(FEATURES)})")
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "empty.toml").touch()
        runs = Runs(Path(folder))
        teacher = Path(folder) / "teacher"
        if "distillation" in options.only.split(","):
            accuracy(BASE | TEACHER, teacher)
        pending = {}
        for name in options.only.split(","):
            what, without, having = FEATURES[name]
            if name == "distillation":
                having = having | {"distillation.teacher": str(teacher)}
            pending[what] = [(runs.start(without, seed), runs.start(having, seed)) for seed in range(options.seeds)]
        print("| feature | without | with | effect | spread of the effect |\n|---|---|---|---|---|")
        for what, futures in pending.items():
            print(row(what, [(without.result(), having.result()) for without, having in futures]), flush=True)


if __name__ == "__main__":
    main()
