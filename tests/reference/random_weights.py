"""Files of pretrained weights, written by PyTorch, of networks in which everything is random."""

import torch
from safetensors.torch import save_file

from tests.reference.networks import network
from tests.reference.runs import configuration


def save(tensors, path):
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)


def randomised(config):
    """The network with all parameters and running statistics random, so that no default value hides a mistake."""
    torch.manual_seed(3)
    model = network(config)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if name.endswith("running_var"):
                tensor.uniform_(0.5, 2)
            elif tensor.dim() == 1:
                tensor.add_(0.1 * torch.randn_like(tensor))
    return model


def from_file(config, folder):
    """The configuration with the random weights of such a file as initial weights."""
    path = folder / "random.safetensors"
    save(randomised(config).state_dict(), path)
    return configuration(config, {"model": {"pretrained": str(path)}})
