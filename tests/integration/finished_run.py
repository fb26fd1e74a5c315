"""A small run that is finished, and what its folder then holds."""

import re

STEPS, STEPS_PER_EPOCH, LOG_EVERY = 20, 8, 3
SETTINGS = {
    "data.train_samples": 2048,
    "data.test_samples": 200,
    "training.max_steps": STEPS,
    "training.log_every_steps": LOG_EVERY,
}
HASH = re.compile(r"[0-9a-f]{32}")


def files_of(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
