"""The optimisers of PyTorch and timm; those that neither has in full precision are written from their papers'
equations."""

import math
import re

import timm
import torch
from timm.optim import Lamb, Lars, Lion
from timm.optim._param_groups import param_groups_layer_decay

ADAM = {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}
STATE_NAMES = {
    "sgd": {"momentum": "momentum_buffer"},
    "adam": ADAM,
    "adamw": ADAM,
    "lamb": ADAM,
    "rmsprop": {"square_avg": "square_avg", "momentum": "momentum_buffer"},
    "lars": {"momentum": "momentum_buffer"},
    "lion": {"exp_avg": "exp_avg"},
    "sophia": {"exp_avg": "exp_avg", "curvature": "curvature"},
    "muon": ADAM,
}
NAMES_IN_TIMM = {"resnet18": "resnet18", "vit_tiny": "vit_tiny_patch16_224", "convnext_tiny": "convnext_tiny"}


class SophiaG(torch.optim.Optimizer):
    """Liu et al. 2023: algorithm 3 with the estimator of algorithm 2, without a learning rate schedule."""

    def __init__(self, groups, lr, betas, rho):
        super().__init__(groups, {"lr": lr, "betas": betas, "rho": rho})

    def state_of(self, parameter):
        kept = self.state[parameter]
        for name in ("exp_avg", "curvature"):
            kept.setdefault(name, torch.zeros_like(parameter))
        return kept

    @torch.no_grad()
    def estimate_curvature(self, gradients, samples):
        beta2 = self.param_groups[0]["betas"][1]
        parameters = {id(p): p for group in self.param_groups for p in group["params"]}
        for parameter, gradient in zip(self.in_order, gradients, strict=True):
            self.state_of(parameters[id(parameter)])["curvature"].mul_(beta2).add_(
                samples * gradient**2, alpha=1 - beta2
            )

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                state = self.state_of(parameter)
                state["exp_avg"].lerp_(parameter.grad, 1 - group["betas"][0])
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                scaled = state["exp_avg"] / (group["rho"] * state["curvature"]).clamp(min=1e-12)
                parameter.sub_(scaled.clamp(-1, 1), alpha=group["lr"])


class Muon(torch.optim.Optimizer):
    """Jordan 2024 for matrices, in float64, with the learning rates of Liu et al. 2025; AdamW for all other
    parameters."""

    def __init__(self, groups, settings):
        super().__init__(groups, {"lr": settings["learning_rate"]})
        self.settings = settings

    def orthogonalised(self, matrix):
        x = matrix / matrix.norm().clamp(min=1e-7)
        x = x.mT if tall(matrix) else x
        for _ in range(self.settings["muon_iterations"]):
            gram = x @ x.mT
            x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
        return x.mT if tall(matrix) else x

    @torch.no_grad()
    def step(self):
        settings, (beta1, beta2) = self.settings, (self.settings["beta1"], self.settings["beta2"])
        for group in self.param_groups:
            for parameter in group["params"]:
                state, gradient = self.state[parameter], parameter.grad
                first = state.setdefault("exp_avg", torch.zeros_like(gradient))
                second = state.setdefault("exp_avg_sq", torch.zeros_like(gradient))
                state["step"] = state.get("step", 0) + 1
                parameter.mul_(1 - group["lr"] * group["weight_decay"])
                if group["matrix"]:
                    first.lerp_(gradient, 1 - settings["momentum"])
                    ahead = gradient.lerp(first, settings["momentum"]) if settings["nesterov"] else first
                    matrix = ahead.flatten(1).double()
                    rate = group["lr"] * 0.2 * math.sqrt(max(matrix.shape))
                    parameter.sub_((rate * self.orthogonalised(matrix)).float().view_as(parameter))
                else:
                    first.lerp_(gradient, 1 - beta1)
                    second.lerp_(gradient**2, 1 - beta2)
                    mean = first / (1 - beta1 ** float(state["step"]))
                    root = (second / (1 - beta2 ** float(state["step"]))).sqrt() + settings["eps"]
                    parameter.sub_(group["lr"] * mean / root)


def tall(matrix):
    return matrix.shape[0] > matrix.shape[1]


def rate_factors(model, config):
    """{parameter: factor of its learning rate}, with layers counted as timm does."""
    settings, names = config["optimizer"], [name for name, _ in model.named_parameters()]
    factors, name = dict.fromkeys(names, 1.0), config["model"]["name"]
    if settings["layer_decay"] != 1 and name == "mlp":
        layers = [int(re.match(r"\d+", each)[0]) // 2 for each in names]
        factors = {
            each: settings["layer_decay"] ** (max(layers) - layer) for each, layer in zip(names, layers, strict=True)
        }
    elif settings["layer_decay"] != 1 and name == "small_cnn":
        factors = {
            each: settings["layer_decay"] ** (3 - layer)
            for layer, part in enumerate(("1.", "2.", "3.", "fc."))
            for each in names
            if part in each
        }
    elif settings["layer_decay"] != 1:
        twin = timm.create_model(NAMES_IN_TIMM[name], num_classes=10)
        known = {id(parameter): each for each, parameter in twin.named_parameters()}
        for group in param_groups_layer_decay(twin, layer_decay=settings["layer_decay"]):
            factors |= {known[id(parameter)]: group["lr_scale"] for parameter in group["params"]}
    head = names[-1].rsplit(".", 1)[0]
    if "head_learning_rate" in settings:
        factors |= {
            each: settings["head_learning_rate"] / settings["learning_rate"]
            for each in names
            if each.rsplit(".", 1)[0] == head
        }
    return factors


def groups_of(model, config):
    """One group per parameter, with its weight decay, the factor of its learning rate, and whether Muon treats it as a
    matrix."""
    settings, factors, named = config["optimizer"], rate_factors(model, config), dict(model.named_parameters())
    head = list(named)[-1].rsplit(".", 1)[0]
    exempt = model.no_weight_decay() if hasattr(model, "no_weight_decay") else set()
    usual = {name: parameter.dim() > 1 and name not in exempt for name, parameter in named.items()}
    everything = not settings.get("no_decay_bias_norm", True)
    return [
        {
            "params": [parameter],
            "rate_factor": factors[name],
            "weight_decay": settings["weight_decay"] * (usual[name] or everything),
            "matrix": usual[name] and name.rsplit(".", 1)[0] != head,
        }
        for name, parameter in named.items()
    ]


def make(model, config):
    settings, groups = config["optimizer"], groups_of(model, config)
    rate, betas, eps = settings["learning_rate"], (settings["beta1"], settings["beta2"]), settings["eps"]
    momentum, nesterov = settings["momentum"], settings["nesterov"]
    optimizer = {
        "sgd": lambda: torch.optim.SGD(groups, rate, momentum, nesterov=nesterov),
        "adam": lambda: torch.optim.Adam(groups, rate, betas, eps),
        "adamw": lambda: torch.optim.AdamW(groups, rate, betas, eps),
        "rmsprop": lambda: torch.optim.RMSprop(groups, rate, settings["rmsprop_alpha"], eps, momentum=momentum),
        "lars": lambda: Lars(
            groups, rate, momentum, nesterov=nesterov, trust_coeff=settings["trust_coefficient"], eps=eps
        ),
        "lamb": lambda: Lamb(
            groups, rate, betas=betas, eps=eps, max_grad_norm=None, trust_clip=settings.get("trust_clip", False)
        ),
        "lion": lambda: Lion(groups, rate, betas),
        "sophia": lambda: SophiaG(groups, rate, betas, settings["sophia_rho"]),
        "muon": lambda: Muon(groups, settings),
    }[settings["name"]]()
    optimizer.in_order = list(model.parameters())
    return optimizer
