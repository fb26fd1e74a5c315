"""A sample of the crash matrix (crash_matrix.py): whatever fault strikes a run, at whatever point, it loses nothing.

LOCKSTEP_TEST_SEED selects another sample.
"""

import os

import pytest

from tests.integration.crash_attempts import Matrix
from tests.integration.crash_matrix import try_all
from tests.integration.crash_trials import Trial
from tests.support.launching import PROGRAMS

SEED = os.environ.get("LOCKSTEP_TEST_SEED", "20261125")
# One trial for each kind of point and each fault.
KINDS = {"phase", "message", "call", "open", "write", "sync", "rename", "remove", "read"}


@pytest.fixture(scope="module")
def trials_and_matrix(tmp_path_factory):
    matrix = Matrix(tmp_path_factory.mktemp("matrix"))
    return matrix.trials(SEED), matrix


def test_a_run_that_is_hurt_at_any_point_ends_like_one_that_nothing_disturbs(trials_and_matrix):
    trials, matrix = trials_and_matrix
    kinds = {trial.kind() for trial in trials}
    assert {operation for operation, _ in kinds} == KINDS
    tried = try_all(matrix, trials[: len(kinds)])
    assert not tried.problems
    assert len(tried.not_reached) <= 2, tried.not_reached


@pytest.mark.parametrize(
    "scene, rank, point",
    [
        ("resumed", 0, "open-to-read checkpoint #1"),
        ("resumed", 0, "read checkpoint #1"),
        ("resumed", 0, "open-to-read metrics.jsonl #1"),
        ("resumed", 0, "read plan.json #1"),
        ("shared", 1, "write trace/rank-1.json #1"),
    ],
)
def test_what_the_matrix_has_found_stays_mended(trials_and_matrix, scene, rank, point):
    """An unreadable checkpoint folder or metrics file is not taken for an empty one, and no failure of a trace ends a
    run."""
    _, matrix = trials_and_matrix
    assert matrix.attempt(Trial(scene, rank, point, "eio", 2)) == ""


def test_a_worker_that_removes_the_newest_checkpoint_before_it_publishes_the_next_is_caught(tmp_path):
    matrix = Matrix(tmp_path, PROGRAMS / "worker_removing_early")
    publication = Trial("shared", 0, "rename checkpoint/step-00000003 #1", "kill", 2)
    problem = matrix.attempt(publication)  # the run itself refuses to start over
    assert problem.startswith("does not go on") and "put them back, or start over with --fresh" in problem
