"""The training loop in plain PyTorch, on one process: torch.optim, torch.optim.lr_scheduler and autograd."""

import math

import torch
from safetensors.torch import load_file
from timm.models import ConvNeXt, VisionTransformer
from torch.nn import functional as F
from torchvision.transforms import functional as pixels

from tests.reference import losses, optimizers
from tests.reference.drops import Drops
from tests.reference.networks import network
from tests.reference.pytorch_schedules import learning_rates
from tests.reference.runs import data_folder, samples_per_step
from tests.support import reference

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


class Data:
    """The training set and the test set of a configuration, with normalised inputs."""

    def __init__(self, config):
        def part(prefix, samples):
            return [
                torch.from_numpy(reference.read_idx(data_folder(config) / f"{prefix}-{kind}-ubyte.gz", samples).copy())
                for kind in ("images-idx3", "labels-idx1")
            ]

        settings = config["data"]
        self.config = config
        self.train_images, self.train_labels = part("train", settings["train_samples"])
        self.test_images, self.test_labels = part("t10k", settings["test_samples"])
        self.mean, self.std = reference.mean_and_std(self.train_images.numpy())
        if "mean" in settings:
            (self.mean,), (self.std,) = settings["mean"], settings["std"]

    def inputs(self, images):
        return torch.from_numpy(reference.normalised(images.numpy(), self.mean, self.std)).unsqueeze(1)

    def test_set(self):
        return self.inputs(self.test_images), self.test_labels.long()

    def batch(self, samples, epoch):
        """Images and labels of these training samples, augmented with torchvision."""
        images, settings = self.train_images[torch.from_numpy(samples)], self.config["augmentation"]
        padding, size = settings["crop_padding"], images.shape[1:]
        draws = reference.crops_and_flips(
            self.config["run"]["seed"], epoch, samples, padding, settings["flip_probability"]
        )
        for image, (top, left, flip) in zip(images, draws, strict=True):
            changed = pixels.crop(pixels.pad(image.clone()[None], padding), top, left, *size)
            image.copy_((pixels.hflip(changed) if flip else changed)[0])
        return self.inputs(images), self.train_labels[torch.from_numpy(samples)].long()

    def micro_batches(self, step):
        config = self.config
        epoch, parts = reference.micro_batches(
            step,
            config["run"]["seed"],
            len(self.train_images),
            samples_per_step(config),
            config["training"]["micro_batch_size"],
        )
        return [self.batch(samples, epoch) for samples in parts]


def batch_norms(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def plain_backward(model, batches, loss_and_weight):
    """The usual way: one batch, its mean loss, batch norm as in PyTorch. Returns (loss, correct answers)."""
    ((images, labels),) = batches
    logits = model(images)
    loss, weight = loss_and_weight(images, logits, labels)
    loss = loss / weight
    loss.backward()
    return loss.item(), int((logits.argmax(1) == labels).sum())


def ghost_backward(model, batches, loss_and_weight):
    """Micro-batches one by one: the sum of their losses over the sum of their weights. The running statistics are
    updated once, towards the mean of the micro-batches' own statistics, which are computed from the inputs of the batch
    norms. Returns (loss, correct answers)."""
    loss, correct, seen, losses, weights = 0.0, 0, {}, [], []
    hooks = [
        norm.register_forward_pre_hook(
            lambda norm, inputs: seen.setdefault(norm, []).append(torch.var_mean(inputs[0].detach(), (0, 2, 3)))
        )
        for norm in batch_norms(model)
    ]
    for norm in batch_norms(model):
        norm.momentum = 0.0
    for images, labels in batches:
        logits = model(images)
        micro_loss, weight = loss_and_weight(images, logits, labels)
        losses.append(micro_loss)
        weights.append(float(weight))
        correct += int((logits.argmax(1) == labels).sum())
    for micro_loss in losses:
        share = micro_loss / sum(weights)
        share.backward()
        loss += share.item()
    for norm, statistics in seen.items():
        variances, means = zip(*statistics, strict=True)
        norm.running_mean.mul_(0.9).add_(0.1 * torch.stack(means).mean(0))
        norm.running_var.mul_(0.9).add_(0.1 * torch.stack(variances).mean(0))
    for hook in hooks:
        hook.remove()
    return loss, correct


def initialised(model, seed):
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    deviation = 0.02 if isinstance(model, (ConvNeXt, VisionTransformer)) else None
    values = {
        name: torch.from_numpy(value) for name, value in reference.initial_weights(shapes, seed, deviation).items()
    }
    model.load_state_dict(values, strict=False)  # all others, including norms, keep the library's initial values
    return model


def at_start(config):
    """The model of a configuration with its initial weights: drawn, or from the file of pretrained weights."""
    if path := config["model"].get("pretrained"):
        model = network(config)
        model.load_state_dict(load_file(path))
        return model
    return initialised(network(config), config["run"]["seed"])


class Training:
    """A model and its torch.optim optimiser, from the initial weights of a configuration."""

    def __init__(self, config, teacher=None):
        self.config, self.data = config, Data(config)
        self.model = at_start(config)
        self.drops = Drops(self.model, config)
        self.optimizer = optimizers.make(self.model, config)
        self.class_weights = losses.class_weights(
            config["loss"], torch.bincount(self.data.train_labels.long(), minlength=10)
        )
        self.teacher = teacher

    def step(self, step):
        """Takes this step, counted from 0. Returns its loss, training accuracy and gradient norm."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rates(self.config, step + 1)[step] * group["rate_factor"]
        batches = self.data.micro_batches(step)
        self.drops.begin(step)
        if (
            isinstance(self.optimizer, optimizers.SophiaG)
            and step % self.config["optimizer"]["sophia_every_steps"] == 0
        ):
            self.optimizer.estimate_curvature(self.sampled_gradients(batches, step), samples_per_step(self.config))
        self.optimizer.zero_grad()
        backward = plain_backward if len(batches) == 1 else ghost_backward
        loss, correct = backward(self.model, batches, self.loss_and_weight)
        longest = self.config["training"]["gradient_clip_norm"] or float("inf")
        norm = math.sqrt(sum(p.grad.double().square().sum().item() for p in self.model.parameters()))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), longest)
        if largest := self.config["training"]["gradient_clip_value"]:
            torch.nn.utils.clip_grad_value_(self.model.parameters(), largest)
        self.optimizer.step()
        return {"loss": loss, "train_accuracy": correct / samples_per_step(self.config), "gradient_norm": norm}

    def loss_and_weight(self, images, logits, labels):
        sums = losses.loss_and_weight(self.config["loss"], logits, labels, self.class_weights)
        return (
            losses.with_teacher(self.config["distillation"], *sums, logits, self.teacher(images))
            if self.teacher
            else sums
        )

    def sampled_gradients(self, batches, step):
        """Gradients of the mean cross entropy with labels drawn from the softmax, one for each parameter."""
        losses, momenta = [], {norm: norm.momentum for norm in batch_norms(self.model)}
        for norm in momenta:
            norm.momentum = 0.0  # this pass must not update the statistics
        for micro_batch, (images, _) in enumerate(batches):
            logits = self.model(images)
            drawn = reference.words(
                self.config["run"]["seed"], reference.SAMPLED_LABELS, step, micro_batch, -(-len(images) // 2)
            )
            shares = torch.softmax(logits.detach().double(), 1).cumsum(1)
            labels = torch.searchsorted(
                shares, torch.from_numpy(reference.uniforms(drawn)[: len(images), None]), right=True
            )
            losses.append(F.cross_entropy(logits, labels[:, 0].clamp(max=9), reduction="sum"))
        for norm, momentum in momenta.items():
            norm.momentum = momentum
        return torch.autograd.grad(sum(losses) / samples_per_step(self.config), list(self.model.parameters()))

    def weights(self):
        """Parameters and running statistics by name."""
        return {name: tensor for name, tensor in self.model.state_dict().items() if "num_batches_tracked" not in name}

    def state(self):
        """The optimiser's state under lockstep's names: {array: {parameter: tensor}}."""
        return {
            ours: {name: self.optimizer.state[parameter][theirs] for name, parameter in self.model.named_parameters()}
            for ours, theirs in self.state_names().items()
        }

    def state_names(self):
        """PyTorch's name for each array of lockstep's optimiser. Without momentum there is no momentum array."""
        settings = self.config["optimizer"]
        names = dict(optimizers.STATE_NAMES[settings["name"]])
        if settings["momentum"] == 0:
            names.pop("momentum", None)
        return names

    def set_state(self, weights, state, steps_done):
        """Continues from this state, in the form that weights() and state() return."""
        self.model.load_state_dict(weights, strict=False)
        for name, parameter in self.model.named_parameters():
            kept = {theirs: state[ours][name].clone() for ours, theirs in self.state_names().items()}
            self.optimizer.state[parameter] = kept | {"step": torch.tensor(float(steps_done))}
        for group in self.optimizer.param_groups:
            group["step"] = torch.tensor(float(steps_done))  # timm keeps it here
