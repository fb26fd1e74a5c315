"""The losses of whole steps, compared with PyTorch, timm or the papers' equations."""

import pytest
import torch

from tests.reference.networks import network
from tests.reference.runs import configuration
from tests.reference.test_equal_to_pytorch import batches, compare_each_step

MLP = {"model": {"name": "mlp", "hidden_sizes": [24]}}
FEW_STEPS = {"training": {"max_steps": 5}}
EXPLICIT = {"class_weights": "explicit", "class_weight_values": [0.0, 1.0, 2.0, 0.5, 1.0, 3.0, 1.0, 0.1, 1.0, 1.5]}
LOSSES = {
    "cross-entropy-weighted": EXPLICIT,
    "cross-entropy-weighted-and-smoothed": EXPLICIT | {"label_smoothing": 0.2},
    "inverse-frequency": {"class_weights": "inverse_frequency"},
    "inverse-sqrt": {"class_weights": "inverse_sqrt", "label_smoothing": 0.1},
    "effective-number": {"class_weights": "effective_number", "effective_number_beta": 0.99},
    "focal": {"name": "focal", "focal_gamma": 2.0},
    "focal-weighted-and-smoothed": EXPLICIT | {"name": "focal", "focal_gamma": 1.3, "label_smoothing": 0.1},
    "focal-below-1": {"name": "focal", "focal_gamma": 0.3},
    "bce": {"name": "bce"},
    "bce-weighted-and-smoothed": EXPLICIT | {"name": "bce", "label_smoothing": 0.15},
}


@pytest.mark.parametrize("loss", LOSSES)
def test_each_step_with_this_loss_is_that_of_pytorch(lockstep, note, loss):
    config = configuration(batches(48, 8), MLP, FEW_STEPS, {"loss": LOSSES[loss]})
    compare_each_step(lockstep(config, 3), note)


def test_a_step_whose_samples_do_not_count_changes_nothing_but_momentum(lockstep):
    """Batches of one sample, in which only class 0 has a weight."""
    only_first = {"class_weights": "explicit", "class_weight_values": [1.0] + [0.0] * 9}
    run = lockstep(
        configuration(
            batches(1),
            MLP,
            {"loss": only_first, "optimizer": {"momentum": 0.0, "nesterov": False, "weight_decay": 0.0}},
        )
    )
    idle = [step for step, found in enumerate(run.steps, 1) if found["gradient_norm"] == 0 and step > 1]
    assert idle and all(
        torch.equal(tensor, run.tensors(step=step - 1)[name])
        for step in idle
        for name, tensor in run.tensors(step=step).items()
    )
    assert all(found["loss"] >= 0 for found in run.steps)


def test_a_confident_network_has_finite_gradients_under_a_focal_loss_below_1(lockstep):
    run = lockstep(
        configuration(
            batches(8),
            MLP,
            {
                "loss": {"name": "focal", "focal_gamma": 0.3},
                "training": {"epochs": 60, "max_steps": 0},
                "checkpoint": {"every_steps": 0},
                "optimizer": {"learning_rate": 0.1},
                "data": {"train_samples": 16},
            },
        )
    )
    assert run.steps[-1]["loss"] < 0.01


def test_a_focal_loss_without_gamma_is_the_cross_entropy(lockstep):
    runs = [
        lockstep(configuration(batches(32, 8), MLP, FEW_STEPS, {"loss": loss}))
        for loss in ({"name": "focal", "focal_gamma": 0.0}, {})
    ]
    assert [step["loss"] for step in runs[0].steps] == pytest.approx([step["loss"] for step in runs[1].steps], rel=1e-6)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_student_learns_from_the_exported_weights_of_another_run(lockstep, note, averaged):
    teacher_config = configuration(
        batches(32),
        {"model": {"name": "mlp", "hidden_sizes": [64]}},
        {"averaging": {"model_ema": averaged}, "checkpoint": {"every_steps": 0}},
    )
    teacher = lockstep(teacher_config)
    model = network(teacher_config)
    model.load_state_dict(teacher.exported("ema" if averaged else "weights"), strict=True)
    settings = {"teacher": str(teacher.folder / "run"), "temperature": 3.0, "weight": 0.7}
    config = configuration(batches(40, 8), MLP, FEW_STEPS, {"distillation": settings, "loss": EXPLICIT})
    compare_each_step(lockstep(config, 2), note, torch.no_grad()(model.eval().forward))
