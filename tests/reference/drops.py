"""Dropout and drop path in a PyTorch model: hooks multiply by the masks of reference.drop_mask."""

import torch
from torch import nn

from tests.support import reference


def residual_branches(model):
    """For each residual block the modules whose outputs form its branch: the last batch norm, or timm's drop paths."""
    blocks = []
    for module in model.modules():
        names = [name for name in ("drop_path", "drop_path1", "drop_path2") if hasattr(module, name)]
        if not names and hasattr(module, "conv2") and hasattr(module, "bn1"):
            names = ["bn3" if hasattr(module, "bn3") else "bn2"]
        if names and not hasattr(module, "fc"):
            blocks.append([getattr(module, name) for name in names])
    return blocks


def dropped_layers(model, name):
    """{layer: the module whose input gets dropout}"""
    linears = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return dict(list(enumerate(linears))[1:]) if name == "mlp" else {0: linears[-1]}


class Drops:
    """Counts the forward passes of a step, each of which is one micro-batch."""

    def __init__(self, model, config):
        settings, self.seed = config["model"], config["run"]["seed"]
        self.step = self.micro_batch = None
        if rate := settings.get("dropout", 0):
            for layer, module in dropped_layers(model, settings["name"]).items():
                module.register_forward_pre_hook(self.on_input(layer, rate))
        if rate := settings.get("drop_path", 0):
            blocks = residual_branches(model)
            branches = [
                (module, rate * block / (len(blocks) - 1)) for block, modules in enumerate(blocks) for module in modules
            ]
            for layer, (module, share) in enumerate(branches):
                module.register_forward_hook(self.on_output(layer, share))
        model.register_forward_pre_hook(self.count)

    def begin(self, step):
        self.step, self.micro_batch = step, -1

    def count(self, *_):
        self.micro_batch += 1

    def mask(self, purpose, layer, rate, count):
        return torch.from_numpy(
            reference.drop_mask(self.seed, purpose, self.step, self.micro_batch, layer, rate, count)
        )

    def on_input(self, layer, rate):
        return lambda _, inputs: (
            inputs[0] * self.mask(reference.DROPOUT, layer, rate, inputs[0].numel()).view_as(inputs[0])
        )

    def on_output(self, layer, rate):
        return lambda _, inputs, output: (
            output * self.mask(reference.DROP_PATH, layer, rate, len(output)).view(-1, *(1 for _ in output.shape[1:]))
        )
