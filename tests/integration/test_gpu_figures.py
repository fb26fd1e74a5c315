"""What a run on GPUs reports, on the double and on the ghost: what it sends, and where its time goes."""

import json

import pytest

from tests.support import exchange_formula as formula
from tests.support import ghost
from tests.support.launching import (
    AS_ROOT,
    PROGRAMS,
    QUICKSTART,
    WORKER,
    mpirun,
    result_of,
    run,
    set_options,
)
from tests.support.skipping import cannot_run

DOUBLE = PROGRAMS / "worker_on_nccl_double"
MLP = {
    "model.name": "mlp",
    "model.hidden_sizes": [512, 512],
    "data.train_samples": 256,
    "data.test_samples": 60,
    "training.batch_size": 64,
    "training.gradient_accumulation_steps": 1,
    "training.micro_batch_size": 8,
    "training.max_steps": 3,
    "distributed.device": "cuda",
    "precision.mixed_precision": "none",
}
RESNET = MLP | {
    "model.name": "resnet20",
    "data.train_samples": 64,
    "training.batch_size": 32,
    "training.epochs": 4,
    "training.max_steps": 0,
    "run.trace": True,
}


@pytest.fixture(params=["double", "ghost"])
def worker(request):
    if not ghost.IS_BUILT:
        cannot_run(ghost.WHY_NOT)
    return [DOUBLE] if request.param == "double" else ghost.on_ghost(WORKER)


def train(worker, output, ranks, settings, small_data):
    command = [*worker, QUICKSTART, "--output", output, *set_options(settings | {"data.path": str(small_data)})]
    outcome = run(mpirun(ranks, command), environment=AS_ROOT)
    assert outcome.exit_code == 0, outcome.output
    return result_of(output)


@pytest.mark.parametrize("transport", ["nccl", "staged"])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_a_step_sends_the_messages_and_bytes_of_the_formula(worker, small_data, tmp_path, ranks, transport):
    result = train(worker, tmp_path / "run", ranks, MLP | {"distributed.gpu_transport": transport}, small_data)
    sizes = formula.shards(formula.mlp_tensors(784, MLP["model.hidden_sizes"], 10), ranks)
    assert len(formula.buckets(sum(sizes))) == 3
    sent_by = formula.between_gpus if transport == "nccl" else formula.between_ranks
    most = max(sent_by(formula.pieces(8, ranks), sizes), key=lambda sent: sent.bytes)
    assert result["exchange"] == {"messages_per_step": most.messages, "bytes_per_step": most.bytes}


def test_the_trace_has_a_row_of_the_gpu_whose_phases_add_up_to_the_steps(worker, small_data, tmp_path):
    result = train(worker, tmp_path / "run", 2, RESNET, small_data)
    trace = json.loads((tmp_path / "run" / "trace.json").read_text())
    for rank in (0, 1):
        assert "GPU" in [event["args"]["name"] for event in trace if event["pid"] == rank and event["ph"] == "M"]
        events = [event for event in trace if event["ph"] == "X" and (event["pid"], event["tid"]) == (rank, 2)]
        steps = [event for event in events if event["name"].startswith("step ")]
        phases = [event for event in events if event not in steps]
        assert [event["args"]["step"] for event in steps] == list(range(1, result["steps"] + 1))
        assert {"data", "forward", "backward", "exchange", "update"} <= {event["name"] for event in phases}
        for step in steps:
            end = step["ts"] + step["dur"]
            inside = [
                event
                for event in phases
                if step["ts"] - 0.01 <= event["ts"] and event["ts"] + event["dur"] <= end + 0.01
            ]
            assert sum(event["dur"] for event in inside) == pytest.approx(step["dur"], rel=0.01)


def test_ranks_on_one_ghost_of_a_gpu_end_in_the_state_of_ranks_on_their_own(small_data, tmp_path):
    if not ghost.IS_BUILT:
        cannot_run(ghost.WHY_NOT)
    own = train(ghost.on_ghost(WORKER, gpus=2), tmp_path / "own", 2, RESNET, small_data)
    shared = train(
        ghost.on_ghost(WORKER, gpus=1),
        tmp_path / "shared",
        3,
        RESNET | {"distributed.gpu_transport": "staged"},
        small_data,
    )
    assert (shared["state_hash"], shared["weights_hash"]) == (own["state_hash"], own["weights_hash"])
