"""The losses of whole steps against PyTorch's, timm's or the papers' equations."""
import pytest
import torch
from networks import network
from runs import configuration
from test_equal_to_pytorch import batches, compare_each_step

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
    "bce": {"name": "bce"},
    "bce-weighted-and-smoothed": EXPLICIT | {"name": "bce", "label_smoothing": 0.15}}


@pytest.mark.parametrize("loss", LOSSES)
def test_each_step_with_this_loss_is_that_of_pytorch(lockstep, note, loss):
    config = configuration(batches(48, 8), MLP, FEW_STEPS, {"loss": LOSSES[loss]})
    compare_each_step(lockstep(config, 3), note)


def test_a_focal_loss_without_gamma_is_the_cross_entropy(lockstep):
    runs = [lockstep(configuration(batches(32, 8), MLP, FEW_STEPS, {"loss": loss}))
            for loss in ({"name": "focal", "focal_gamma": 0.0}, {})]
    assert [step["loss"] for step in runs[0].steps] == pytest.approx([step["loss"] for step in runs[1].steps], rel=1e-6)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_student_learns_from_the_exported_weights_of_another_run(lockstep, note, averaged):
    teacher_config = configuration(batches(32), {"model": {"name": "mlp", "hidden_sizes": [64]}},
                                   {"averaging": {"model_ema": averaged}, "checkpoint": {"every_steps": 0}})
    teacher = lockstep(teacher_config)
    model = network(teacher_config)
    model.load_state_dict(teacher.exported("ema" if averaged else "weights"), strict=True)
    settings = {"teacher": str(teacher.folder / "run"), "temperature": 3.0, "weight": 0.7}
    config = configuration(batches(40, 8), MLP, FEW_STEPS, {"distillation": settings, "loss": EXPLICIT})
    compare_each_step(lockstep(config, 2), note, torch.no_grad()(model.eval().forward))
