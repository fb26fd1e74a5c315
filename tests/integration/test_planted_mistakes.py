"""The invariance test detects the mistakes planted in worker programs (tests/regression/planted, and
tests/performance/any_order_tree.cpp, with which the cost of the fixed order is measured). It detects none where the
same numbers are computed in another way: over a double of NCCL and of the GPUs."""

import pytest

from tests.support.launching import AS_ROOT, MPI_ENVIRONMENT, PROGRAMS, QUICKSTART, mpirun, result_of, run, set_options

SETTINGS = {"training.max_steps": 3, "data.test_samples": 100}


def state_of(program, ranks, data, output, **settings):
    path = PROGRAMS / program
    if not path.is_file():
        pytest.fail(f"{path} is not there (build it first, or set LOCKSTEP_BIN)", pytrace=False)
    options = set_options(SETTINGS | {"data.path": str(data)} | settings)
    outcome = run(mpirun(ranks, [path, QUICKSTART, "--output", output, *options]), environment=AS_ROOT)
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)["state_hash"]


@pytest.mark.parametrize("program", ["lockstep-worker-any-order", "worker_drawing_by_rank"])
def test_a_planted_mistake_changes_the_state(program, small_data, tmp_path):
    states = {state_of(program, ranks, small_data, tmp_path / str(ranks)) for ranks in (1, 3)}
    assert len(states) == 2


@pytest.mark.parametrize("program, resumes", [("lockstep-worker", True), ("worker_publishing_early", False)])
def test_a_checkpoint_published_before_all_parts_are_written_is_passed_over(small_data, tmp_path, program, resumes):
    state_of(program, 2, small_data, tmp_path, **{"checkpoint.every_steps": 1})
    more = set_options(SETTINGS | {"data.path": str(small_data), "checkpoint.every_steps": 1, "training.max_steps": 4})
    outcome = run(
        mpirun(3, [PROGRAMS / "lockstep-worker", QUICKSTART, "--output", tmp_path, *more]), environment=MPI_ENVIRONMENT
    )
    assert (outcome.exit_code == 0) == resumes, outcome.output
    assert ("passing over checkpoint step-00000003" in outcome.stderr) != resumes, outcome.output


def test_the_way_over_nccl_gives_the_state_of_the_way_over_mpi(small_data, tmp_path):
    if not (PROGRAMS / "worker_on_nccl_double").is_file():
        pytest.skip("this build has no NCCL (no CUDA toolkit, or LOCKSTEP_CUDA=OFF)")
    states = {state_of("lockstep-worker", 1, small_data, tmp_path / "mpi")}
    for ranks in (1, 2, 3, 5):
        output = tmp_path / f"nccl-{ranks}"
        states.add(state_of("worker_on_nccl_double", ranks, small_data, output))
        assert "double of a GPU" in next(output.glob("checkpoint/*/manifest.json")).read_text()
    assert len(states) == 1
