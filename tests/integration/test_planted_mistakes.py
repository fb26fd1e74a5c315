"""The invariance test sees mistakes that are planted in worker programs (tests/regression/planted), and sees none where the
same numbers take another way: over a double of NCCL and of the GPUs."""

import pytest
from launching import AS_ROOT, PROGRAMS, QUICKSTART, mpirun, result_of, run, set_options

SETTINGS = {"training.max_steps": 3, "data.test_samples": 100}


def state_of(program, ranks, data, output, **settings):
    path = PROGRAMS / program
    if not path.is_file():
        pytest.fail(f"{path} is not there (build it first, or set LOCKSTEP_BIN)", pytrace=False)
    options = set_options(SETTINGS | {"data.path": str(data)} | settings)
    outcome = run(mpirun(ranks, [path, QUICKSTART, "--output", output, *options]), environment=AS_ROOT)
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)["state_hash"]


@pytest.mark.parametrize("program", ["worker_summing_in_arrival_order", "worker_drawing_by_rank"])
def test_a_planted_mistake_changes_the_state(program, small_data, tmp_path):
    states = {state_of(program, ranks, small_data, tmp_path / str(ranks)) for ranks in (1, 3)}
    assert len(states) == 2


def test_the_way_over_nccl_gives_the_state_of_the_way_over_mpi(small_data, tmp_path):
    if not (PROGRAMS / "worker_on_nccl_double").is_file():
        pytest.skip("this build has no NCCL (no CUDA toolkit, or LOCKSTEP_CUDA=OFF)")
    states = {state_of("lockstep-worker", 1, small_data, tmp_path / "mpi")}
    for ranks in (1, 2, 3, 5):
        output = tmp_path / f"nccl-{ranks}"
        states.add(state_of("worker_on_nccl_double", ranks, small_data, output))
        assert "double of a GPU" in next(output.glob("checkpoint/*/manifest.json")).read_text()
    assert len(states) == 1
