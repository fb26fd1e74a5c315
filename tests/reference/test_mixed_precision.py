"""Mixed precision, compared with torch.autocast and the rule of torch.amp.GradScaler."""

import itertools

import pytest
import torch

from tests.reference.pytorch_training import Training
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import batches, relative

MLP, RESNET20 = {"model": {"name": "mlp", "hidden_sizes": [64]}}, {"model": {"name": "resnet20"}}
BOUND = {"bf16": 1e-2, "fp16": 1e-2}
TYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


def scaler_decisions(scale, overflows):
    """The scale before each step, by a GradScaler that is given these overflows."""
    scaler, parameter = torch.amp.GradScaler("cpu", init_scale=scale), torch.nn.Parameter(torch.zeros(1))
    optimizer, scales = torch.optim.SGD([parameter], 0.1), []
    for overflow in overflows:
        scales.append(scaler.get_scale())
        scaler.scale(parameter.sum()).backward()
        parameter.grad.fill_(float("inf") if overflow else 1.0)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
    return [*scales, scaler.get_scale()]


@pytest.mark.parametrize("model", [MLP, RESNET20], ids=["mlp", "resnet20"])
@pytest.mark.parametrize("name", TYPES)
def test_a_step_is_that_of_autocast(lockstep, note, name, model):
    """From the same weights. 16-bit kernels may round at other places, so the tolerance is that of 16 bits, not of
    float32."""
    settings = {"precision": {"mixed_precision": name} | ({"loss_scale": 128} if name == "fp16" else {})}
    config = configuration(batches(16, 8), model, settings, {"training": {"max_steps": 2}})
    run, training = lockstep(config, 2), Training(config)
    with torch.autocast("cpu", TYPES[name]):
        loss = training.step(0)["loss"]
    in_float32 = lockstep(configuration(batches(16, 8), model, {"training": {"max_steps": 2}}), 2).tensors(step=1)
    expected, found = training.weights(), run.tensors(step=1)
    worst = max(relative(found[key], tensor) for key, tensor in expected.items())
    from_float32 = max(relative(in_float32[key], tensor) for key, tensor in expected.items())
    note(
        f"loss {abs(run.steps[0]['loss'] / loss - 1):.1e}, "
        f"worst of a tensor after a step {worst:.1e}, of float32 {from_float32:.1e}"
    )
    assert run.steps[0]["loss"] == pytest.approx(loss, rel=1e-3)
    assert worst < BOUND[name] and worst < from_float32 / 2


def test_scaling_of_the_loss_changes_nothing_where_nothing_overflows(lockstep, note):
    base = configuration(batches(16, 8), MLP, {"precision": {"mixed_precision": "fp16", "loss_scale": 1}})
    scaled = configuration(batches(16, 8), MLP, {"precision": {"mixed_precision": "fp16", "loss_scale": 256}})
    runs = [lockstep(config) for config in (base, scaled)]
    worst = max(relative(runs[1].tensors()[key], tensor) for key, tensor in runs[0].tensors().items())
    note(f"scaled by 256 and not: weights after 10 steps differ by {worst:.1e}")
    assert worst < 1e-3
    assert all(step["skipped_steps"] == 0 and step["loss_scale"] == 256 for step in runs[1].steps)


def test_a_dynamic_scale_falls_until_nothing_overflows_and_those_steps_are_skipped(lockstep, note):
    config = configuration(batches(32, 32), MLP, {"precision": {"mixed_precision": "fp16"}})
    run = lockstep(config)
    skipped = [0, *(step["skipped_steps"] for step in run.steps)]
    overflows = [after > before for before, after in itertools.pairwise(skipped)]
    assert any(overflows) and not overflows[-1]
    assert [65536.0, *(step["loss_scale"] for step in run.steps)] == scaler_decisions(65536.0, overflows)
    first_taken = overflows.index(False)
    note(f"{first_taken} steps skipped, then the scale is {run.steps[-1]['loss_scale']:.0f}")
    before, after = run.tensors(step=first_taken), run.tensors(step=first_taken + 1)
    assert all(torch.equal(run.tensors(step=1)[key], before[key]) for key in before if first_taken > 1)
    assert not all(torch.equal(before[key], after[key]) for key in before)


def test_what_the_scaler_has_decided_is_in_the_checkpoint(lockstep):
    config = configuration(batches(32, 32), MLP, {"precision": {"mixed_precision": "fp16"}})
    run = lockstep(config)
    assert run.manifest(3)["decisions"]["loss_scale"] == run.steps[2]["loss_scale"]
    assert run.manifest(3)["decisions"]["skipped_steps"] == run.steps[2]["skipped_steps"]
