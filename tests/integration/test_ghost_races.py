"""The ghost's race detector (tests/support/ghost_gpu) finds accesses that nothing orders, whichever ran first, and
reports nothing else."""

import subprocess

import pytest

from tests.support.ghost import IS_BUILT, RACE, a_ghost_is_built, on_ghost  # noqa: F401
from tests.support.launching import AS_ROOT, PROGRAMS, QUICKSTART, WORKER, mpirun, run, set_options

MISTAKES = PROGRAMS / "ghost_mistakes"
NAMES = (
    subprocess.run([MISTAKES], capture_output=True, text=True).stdout.split() if IS_BUILT and MISTAKES.is_file() else []
)
SEEDS = range(3)

SETTINGS = {
    "model.name": "resnet20",
    "data.train_samples": 96,
    "data.test_samples": 20,
    "training.batch_size": 48,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 8,
    "training.max_steps": 2,
    "distributed.device": "cuda",
}
# A source line that is missing or wrong, and what the report must name.
PLANTED = {
    "worker_not_following": "messages over NCCL",
    "worker_not_finishing": "lane_kernel",
    "worker_marking_early": "messages over NCCL",
}


def test_there_are_mistakes_to_find():
    assert len(NAMES) >= 6


@pytest.mark.parametrize("name", NAMES)
def test_a_mistake_is_found_and_both_places_are_named(name):
    for seed in SEEDS:
        outcome = run([*on_ghost(MISTAKES, seed=seed), name, "wrong"])
        assert outcome.exit_code == RACE, outcome.output
        if "race" in outcome.stderr:  # two of the mistakes show in the memory's content instead
            assert "  one: " in outcome.stderr and "  other: " in outcome.stderr
            assert f"(anonymous namespace)::{name}(bool)" in outcome.stderr or "thread" in name


@pytest.mark.parametrize("name", NAMES)
def test_the_right_way_beside_the_mistake_is_passed(name):
    for seed in SEEDS:
        outcome = run([*on_ghost(MISTAKES, seed=seed), name, "right"])
        assert outcome.exit_code == 0, outcome.output


@pytest.mark.parametrize("worker", PLANTED)
def test_a_mistake_planted_in_the_worker_is_found(small_data, tmp_path, worker):
    settings = SETTINGS | {"data.path": str(small_data)}
    outcome = run(
        mpirun(2, [*on_ghost(PROGRAMS / worker), QUICKSTART, "--output", tmp_path / "run", *set_options(settings)]),
        environment=AS_ROOT,
    )
    assert outcome.exit_code == RACE, outcome.output
    assert "ghost: race" in outcome.stderr and PLANTED[worker] in outcome.stderr


def test_the_worker_without_them_is_passed(small_data, tmp_path):
    settings = SETTINGS | {"data.path": str(small_data)}
    for seed in SEEDS:
        outcome = run(
            mpirun(
                2,
                [
                    *on_ghost(WORKER, seed=seed),
                    QUICKSTART,
                    "--fresh",
                    "--output",
                    tmp_path / "run",
                    *set_options(settings),
                ],
            ),
            environment=AS_ROOT,
        )
        assert outcome.exit_code == 0, outcome.output
