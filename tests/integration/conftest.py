"""Fixtures of the whole-run tests: small data, and settings of runs that take about a second."""

import os

import pytest

from tests.support.idx_files import first_images, write_folder
from tests.support.launching import LOCKSTEP, WORKER
from tests.support.skipping import cannot_run

TRAIN_SAMPLES, TEST_SAMPLES = 4096, 400
# A step of 256 samples in 8 micro-batches, whatever the quickstart says. A failure must end the run instead of
# restarting it, and the precision must not depend on the CPU.
STEP_OF_8 = {
    "reliability.max_restarts": 0,
    "training.batch_size": 128,
    "training.gradient_accumulation_steps": 2,
    "training.micro_batch_size": 32,
    "training.epochs": 4,
    "optimizer.learning_rate": 0.2,
    "precision.mixed_precision": "none",
}


@pytest.fixture(scope="session", autouse=True)
def programs():
    for program in (LOCKSTEP, WORKER):
        if not program.is_file():
            pytest.fail(f"{program} is not there (build it first, or set LOCKSTEP_BIN)", pytrace=False)


@pytest.fixture
def root():
    if os.geteuid() != 0:
        cannot_run("this test needs root (to change users and to mount)")


@pytest.fixture(scope="session")
def small_data(tmp_path_factory):
    """The first images of Fashion-MNIST, in the same form."""
    folder = tmp_path_factory.mktemp("data") / "small"
    return write_folder(folder, first_images("train", TRAIN_SAMPLES), first_images("t10k", TEST_SAMPLES))


@pytest.fixture(scope="session")
def mlp(small_data):
    """A step takes milliseconds."""
    return STEP_OF_8 | {
        "data.path": str(small_data),
        "model.name": "mlp",
        "model.hidden_sizes": [16],
        "training.log_every_steps": 1,
    }


@pytest.fixture(scope="session")
def resnet(small_data):
    """With batch norm; a step of 64 samples in 8 micro-batches takes a tenth of a second."""
    return STEP_OF_8 | {
        "data.path": str(small_data),
        "model.name": "resnet20",
        "training.batch_size": 32,
        "training.micro_batch_size": 8,
        "data.train_samples": 512,
        "data.test_samples": 100,
        "training.log_every_steps": 1,
    }
