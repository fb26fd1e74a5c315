"""Checkpoints loaded into plain PyTorch modules by tensor name give the accuracy and loss that lockstep reports."""

import pytest
import torch
from torch.nn import functional as F

from tests.reference.networks import network
from tests.reference.pytorch_training import Data
from tests.reference.runs import configuration

MEASURED = {"averaging": {"model_ema": True}, "optimizer": {"learning_rate": 0.02}}
MLP = {
    "model": {"hidden_sizes": [64]},
    "training": {"epochs": 4, "evaluation_batch_size": 333},
    "data": {"train_samples": 2000, "test_samples": 0},
}
RESNET20 = {
    "model": {"name": "resnet20"},
    "data": {"train_samples": 640, "test_samples": 577},
    "training": {"epochs": 1, "micro_batch_size": 16, "evaluation_batch_size": 100},
}
RESNET18 = {
    "model": {"name": "resnet18"},
    "data": {"train_samples": 32, "test_samples": 65},
    "training": {"batch_size": 8, "micro_batch_size": 4, "epochs": 1, "evaluation_batch_size": 25},
}
CASES = [
    pytest.param(MLP, 1, id="mlp"),
    pytest.param(RESNET20, 2, id="resnet20"),
    pytest.param(RESNET18, 2, id="resnet18"),
]


def measured_by_pytorch(config, tensors):
    """(correct answers, mean loss) on the test set, in chunks of a different size than lockstep's."""
    model = network(config)
    model.load_state_dict(tensors, strict=True)
    model.eval()
    images, labels = Data(config).test_set()
    with torch.no_grad():
        logits = torch.cat([model(part) for part in images.split(64)])
    return int((logits.argmax(1) == labels).sum()), F.cross_entropy(logits.double(), labels).item()


@pytest.mark.parametrize("changes, ranks", CASES)
def test_pytorch_finds_the_same_accuracy_and_loss_in_the_exported_weights(lockstep, note, changes, ranks):
    config = configuration(MEASURED, changes)
    run = lockstep(config, ranks)
    samples = config["data"]["test_samples"] or 10000
    again = run.evaluate(3 - ranks)
    for file, prefix in (("weights", ""), ("ema", "ema_")):
        correct, loss = measured_by_pytorch(config, run.exported(file))
        for said in (run.result, again):
            worst = abs(said[prefix + "test_loss"] / loss - 1)
            assert worst < 1e-5
            assert said[prefix + "test_accuracy"] == correct / samples
        note(f"{file}: {correct} of {samples} correct, loss {loss:.4f}, relative difference {worst:.1e}")
