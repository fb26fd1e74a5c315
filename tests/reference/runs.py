"""Runs of lockstep: takes a configuration as nested dictionaries, and reads the run folder."""

import gzip
import json
import os
import subprocess
from pathlib import Path

from safetensors.torch import load_file

DATA = Path("/usr/share/datasets/fashion-mnist")
# One short run of the smallest model. `configuration` merges a test's changes into it.
BASE = {
    "run": {"seed": 7},
    "data": {"train_samples": 133, "test_samples": 50},
    "model": {"name": "mlp", "hidden_sizes": [8]},
    "training": {
        "batch_size": 32,
        "micro_batch_size": 32,
        "gradient_accumulation_steps": 1,
        "epochs": 3,
        "max_steps": 0,
        "gradient_clip_norm": 0.0,
        "gradient_clip_value": 0.0,
        "log_every_steps": 1,
        "evaluate_every_epochs": 0,
    },
    "optimizer": {
        "name": "sgd",
        "learning_rate": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "layer_decay": 1.0,
    },
    "schedule": {
        "name": "constant",
        "min_lr": 0.0,
        "step_epochs": 1,
        "gamma": 0.1,
        "warmup_steps": 0,
        "warmup_ratio": 0.0,
        "warmup_epochs": 0,
        "warmup_method": "linear",
        "cooldown_epochs": 0,
    },
    "loss": {"name": "cross_entropy", "label_smoothing": 0.0},
    "averaging": {"model_ema": False, "model_ema_decay": 0.9, "model_ema_warmup": False, "use_swa": False},
    "augmentation": {"crop_padding": 0, "flip_probability": 0.0},
    "precision": {"mixed_precision": "none"},  # whatever the CPU supports
    "distributed": {"device": "cpu", "threads_per_rank": 1},
    "checkpoint": {"every_steps": 0, "every_epochs": 0, "keep": 1000},
}


def configuration(*changes):
    """BASE with each of the changes, {section: {key: value}}, merged into it in turn."""
    config = {section: dict(keys) for section, keys in BASE.items()}
    for change in changes:
        for section, keys in change.items():
            config.setdefault(section, {}).update(keys)
    return config


def data_folder(config):
    return Path(config["data"].get("path", DATA))


def image_side(config):
    """The side of the square images, in pixels."""
    with gzip.open(data_folder(config) / "train-images-idx3-ubyte.gz") as file:
        return int.from_bytes(file.read(16)[12:], "big")


def steps_per_epoch(config):
    return config["data"]["train_samples"] // samples_per_step(config)


def samples_per_step(config):
    return config["training"]["batch_size"] * config["training"]["gradient_accumulation_steps"]


def as_toml(config):
    lines = []
    for section, keys in config.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def call(*arguments):
    """The JSON objects, one per line, that `lockstep ARGUMENTS` prints to standard output."""
    program = Path(os.environ["LOCKSTEP_BIN"]) / "lockstep"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"exit status {done.returncode} of {done.args}\n{done.stderr}\n{done.stdout}"
    return [json.loads(line) for line in done.stdout.splitlines()]


class Run:
    """A finished run."""

    def __init__(self, config, folder, ranks=1):
        self.config, self.folder = config, folder
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text(as_toml(config))
        self.events = call("train", folder / "config.toml", "--output", folder / "run", "--ranks", ranks)
        self.result = json.loads((folder / "run" / "result.json").read_text())
        metrics = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
        self.steps = [line for line in metrics if "loss" in line]
        self.evaluations = [line for line in metrics if "test_loss" in line]
        assert [line["step"] for line in self.steps] == list(range(1, self.result["steps"] + 1))

    def evaluate(self, ranks=1):
        """What `lockstep eval` prints for the newest checkpoint."""
        return call("eval", self.folder / "run", "--ranks", ranks)[-1]

    def manifest(self, step):
        return json.loads((self.folder / "run" / "checkpoint" / f"step-{step:08}" / "manifest.json").read_text())

    def exported(self, name="weights"):
        """The tensors that the run exported beside its checkpoints."""
        return load_file(self.folder / "run" / f"{name}.safetensors")

    def tensors(self, name="weights", step=None):
        """The tensors of a checkpoint, by default the last one."""
        step = self.result["steps"] if step is None else step
        return load_file(self.folder / "run" / "checkpoint" / f"step-{step:08}" / f"{name}.safetensors")
