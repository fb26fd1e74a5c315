"""The losses of PyTorch and timm, summed over the samples, and the weight by which a step's sum is divided."""

import timm.loss
import torch
from torch.nn import functional as F


def class_weights(settings, counts):
    """The weight of each class, float32 [classes], or None; `counts`: the training samples of each class."""
    kind, counts = settings.get("class_weights", "none"), counts.double()
    if kind == "none":
        return None
    if kind == "explicit":
        return torch.tensor(settings["class_weight_values"])
    beta = settings.get("effective_number_beta", 0.9999)
    weights = {
        "inverse_frequency": 1 / counts,
        "inverse_sqrt": counts**-0.5,
        "effective_number": (1 - beta) / (1 - beta**counts),
    }[kind]
    return (weights / (weights * counts / counts.sum()).sum()).float()  # the mean weight over the samples is 1


def loss_and_weight(settings, logits, labels, weights):
    smoothing = settings["label_smoothing"]
    total = len(labels) if weights is None else weights[labels].sum()
    if settings["name"] == "cross_entropy":
        return F.cross_entropy(logits, labels, weights, reduction="sum", label_smoothing=smoothing), total
    of_class = torch.ones(logits.shape[1]) if weights is None else weights
    if settings["name"] == "bce":
        losses = timm.loss.BinaryCrossEntropy(smoothing, reduction="none")(logits, labels).mean(1)
        sample = of_class[labels] * (1 - smoothing) + smoothing * of_class.mean()
        return (losses * sample).sum(), total
    return focal(logits, labels, settings["focal_gamma"], smoothing, of_class), total


def focal(logits, labels, gamma, smoothing, of_class):
    """Focal loss, Lin et al. 2017, equation 5, for each class with its share of the target."""
    loss = 0.0
    for c in range(logits.shape[1]):
        share = (labels == c) * (1 - smoothing) + smoothing / logits.shape[1]
        p = torch.softmax(logits, 1)[:, c]
        loss = loss - (share * of_class[c] * (1 - p) ** gamma * p.log()).sum()
    return loss


def with_teacher(settings, loss, weight, logits, teacher_logits):
    """Hinton et al. 2015, section 2: T^2 makes up for the softened gradients."""
    t, share = settings["temperature"], settings["weight"]
    divergence = F.kl_div(
        F.log_softmax(logits / t, 1), F.log_softmax(teacher_logits / t, 1), log_target=True, reduction="sum"
    )
    return (1 - share) * loss + share * t**2 * divergence * (weight / len(logits)), weight
