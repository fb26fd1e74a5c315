"""The training loop with PyTorch's autograd for the gradient of each micro-batch and numpy for everything else. Every
operation is in float32 and in the order of docs/numerics.md, so that the result can be compared bit by bit."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from tests.reference.networks import network
from tests.reference.pytorch_schedules import learning_rates
from tests.reference.pytorch_training import Data, batch_norms, initialised
from tests.support import reference


def leaf_of(model, images, labels, smoothing):
    """Results of a micro-batch: gradients of the summed loss, batch means, unbiased batch variances, summed loss."""
    model.zero_grad()
    norms = batch_norms(model)
    for norm in norms:
        norm.momentum = 1.0  # so that PyTorch stores the micro-batch's own statistics
    loss = F.cross_entropy(model(images), labels, label_smoothing=smoothing, reduction="sum")
    loss.backward()
    tensors = [parameter.grad for parameter in model.parameters()]
    tensors += [norm.running_mean for norm in norms] + [norm.running_var for norm in norms] + [loss.detach()]
    return [tensor.numpy().copy() for tensor in tensors]


def train(config, steps):
    """Trains for `steps` steps. Returns weights and running statistics by name, and the loss and gradient norm of each
    step."""
    data, settings, clip = Data(config), config["optimizer"], config["training"]["gradient_clip_norm"]
    model, record = initialised(network(config), config["run"]["seed"]), []
    named = dict(model.named_parameters())
    weights = [parameter.detach().numpy() for parameter in named.values()]  # views of the model's memory
    statistics = {
        name: tensor.numpy().copy()
        for kind in ("running_mean", "running_var")
        for name, tensor in model.named_buffers()
        if name.endswith(kind)
    }
    states = [[np.zeros_like(array) for _ in range(2 if settings["name"] == "adamw" else 1)] for array in weights]
    for step, rate in enumerate(learning_rates(config, steps)):
        batches = data.micro_batches(step)
        leaves = [leaf_of(model, images, labels, config["loss"]["label_smoothing"]) for images, labels in batches]
        *sums, loss = [reference.tree_sum(list(arrays)) for arrays in zip(*leaves, strict=True)]
        gradients, batch_statistics = sums[: len(weights)], sums[len(weights) :]
        samples = sum(len(labels) for _, labels in batches)
        norm = math.sqrt(sum(np.square(array, dtype=np.float64).sum() for array in gradients)) / samples
        scale = np.float32(1 / samples * (min(1.0, clip / (norm + 1e-6)) if clip > 0 else 1.0))
        for array, gradient, state in zip(weights, gradients, states, strict=True):
            decay = settings["weight_decay"] if array.ndim > 1 else 0.0
            if settings["name"] == "adamw":
                reference.adamw(settings, rate, decay, array, gradient * scale, *state, step + 1)
            else:
                reference.sgd(settings, rate, decay, array, gradient * scale, *state)
        for running, total in zip(statistics.values(), batch_statistics, strict=True):
            running += np.float32(0.1) * (total * np.float32(1 / len(batches)) - running)
        record.append({"loss": float(loss) / samples, "gradient_norm": norm})
    weights = {name: torch.from_numpy(array) for name, array in zip(named, weights, strict=True)}
    return weights | {name: torch.from_numpy(array) for name, array in statistics.items()}, record
