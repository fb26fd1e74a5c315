"""Hardware with silent errors is found and named, and the step is done again (reliability.audit_every)."""

import socket

import pytest

from tests.support.audits import ALL, FLIPPING, audit_of, flips, go_on, set_aside, train_on
from tests.support.launching import WORKER, checkpoints_of, result_of, train

CORRUPT, DIVERGED = 7, 6
MICRO_BATCHES = 8
FIRST_WEIGHT, LOWEST_BIT = 0, 0


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {"training.max_steps": 12, "training.evaluate_every_epochs": 0, "checkpoint.every_epochs": 0}


@pytest.fixture(scope="module")
def audited(settings):
    return settings | {"reliability.audit_every": 3}


@pytest.fixture(scope="module")
def clean(settings, tmp_path_factory):
    """The state hash of a run without audits on hardware that does not err."""
    output = tmp_path_factory.mktemp("clean") / "run"
    train(output, 1, settings)
    return result_of(output)["state_hash"]


def expect_named(outcome, output, rank, step, micro_batch):
    """The message and the entry for the next start name the rank that is wrong, and no other."""
    assert outcome.exit_code == CORRUPT, outcome.output
    host = socket.gethostname()
    assert (
        f"error: rank {rank} on {host}: what it computes is wrong (step {step + 1}, micro-batch {micro_batch},"
        in outcome.stderr
    )
    assert set_aside(output) == [(host, rank, step + 1)]


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_audits_change_no_bit(settings, clean, tmp_path, ranks):
    train(tmp_path, ranks, settings | {"reliability.audit_every": 1})
    assert result_of(tmp_path)["state_hash"] == clean


@pytest.mark.parametrize("ranks, step, place", [(1, 5, 17), (2, 8, 31), (3, 2, 40000), (4, 11, 30)])
def test_a_rank_that_errs_once_is_named_and_its_step_is_done_again(audited, clean, tmp_path, ranks, step, place):
    """Place 30 is the highest bit of an exponent: the gradient becomes practically infinite."""
    micro_batch, owner, _ = audit_of(step, MICRO_BATCHES, ranks)
    outcome = train_on(FLIPPING, tmp_path, ranks, audited, **flips(owner, step, micro_batch, place))
    expect_named(outcome, tmp_path, owner, step, micro_batch)
    assert checkpoints_of(tmp_path) == [f"step-{step:08}"]
    go_on(tmp_path, 3, audited)
    assert result_of(tmp_path)["state_hash"] == clean


def test_a_rank_that_always_errs_is_named_at_its_first_audit(audited, tmp_path):
    """Whether the faulty rank is the audited one or the auditor."""
    ranks, wrong, first = 4, 2, 1
    audits = {step: audit_of(step, MICRO_BATCHES, ranks) for step in (2, 5, 8, 11)}
    step = next(step for step, (_, *involved) in audits.items() if wrong in involved)
    outcome = train_on(FLIPPING, tmp_path, ranks, audited, **flips(wrong, first, ALL, 3))
    expect_named(outcome, tmp_path, wrong, step, audits[step][0])


def test_of_two_ranks_that_each_repeat_themselves_nobody_is_condemned(audited, tmp_path):
    outcome = train_on(FLIPPING, tmp_path, 2, audited, **flips(1, 2, ALL, LOWEST_BIT))
    assert outcome.exit_code == CORRUPT, outcome.output
    host = socket.gethostname()
    assert f"rank 0 on {host} or rank 1 on {host}: what it computes is wrong on one of them" in outcome.stderr
    assert set_aside(tmp_path) == []


def test_hosts_that_were_set_aside_before_stay_so(audited, tmp_path):
    for step in (2, 5):
        micro_batch, owner, _ = audit_of(step, MICRO_BATCHES, 3)
        train_on(FLIPPING, tmp_path, 3, audited, **flips(owner, step, micro_batch, FIRST_WEIGHT))
    assert [step for _, _, step in set_aside(tmp_path)] == [3, 6]


def test_a_step_that_has_estimated_the_curvature_begins_again_from_the_checkpoint_before(audited, tmp_path):
    sophia = audited | {
        "optimizer.name": "sophia",
        "optimizer.learning_rate": 1e-3,
        "optimizer.sophia_every_steps": 1,
        "checkpoint.every_steps": 4,
    }
    train(tmp_path / "clean", 2, sophia)
    _, owner, _ = audit_of(8, MICRO_BATCHES, 3)
    outcome = train_on(FLIPPING, tmp_path / "run", 3, sophia, **flips(owner, 8, ALL, FIRST_WEIGHT))
    assert outcome.exit_code == CORRUPT, outcome.output
    assert checkpoints_of(tmp_path / "run")[-1] == "step-00000008"
    go_on(tmp_path / "run", 2, sophia)
    assert result_of(tmp_path / "run")["state_hash"] == result_of(tmp_path / "clean")["state_hash"]


@pytest.mark.parametrize(
    "ranks, named", [(3, "rank 1 on {host}: the copy"), (2, "rank 0 on {host} or rank 1 on {host}: the copy")]
)
def test_a_copy_of_the_weights_that_differs_is_not_saved(settings, tmp_path, ranks, named):
    settings = settings | {"distributed.shared_memory": False, "checkpoint.every_steps": 5}
    outcome = train_on(FLIPPING, tmp_path, ranks, settings, LOCKSTEP_FLIP_WEIGHT="1")
    assert outcome.exit_code == CORRUPT, outcome.output
    assert named.format(host=socket.gethostname()) in outcome.stderr and "after step 5" in outcome.stderr
    assert checkpoints_of(tmp_path) == []


def test_a_run_that_diverges_is_no_corruption(audited, tmp_path):
    settings = audited | {
        "reliability.audit_every": 1,
        "optimizer.learning_rate": 100.0,
        "training.gradient_clip_norm": 0.0,
        "schedule.warmup_ratio": 0.0,
        "optimizer.momentum": 0.99,
    }
    outcome = train_on(WORKER, tmp_path, 3, settings)
    assert outcome.exit_code == DIVERGED, outcome.output
    assert set_aside(tmp_path) == []
