"""The training loop once more in plain PyTorch: torch.optim, torch.optim.lr_scheduler and autograd on one process."""
import warnings

import reference
import torch
from networks import network
from runs import DATA, samples_per_step, steps_per_epoch
from torch.nn import functional as F
from torch.optim import lr_scheduler
from torchvision.transforms import functional as pixels

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


class Data:
    """Both parts of the data set of a configuration, normalised."""

    def __init__(self, config):
        def part(prefix, samples):
            return [torch.from_numpy(reference.read_idx(DATA / f"{prefix}-{kind}-ubyte.gz", samples).copy())
                    for kind in ("images-idx3", "labels-idx1")]
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
        draws = reference.crops_and_flips(self.config["run"]["seed"], epoch, samples, padding, settings["flip_probability"])
        for image, (top, left, flip) in zip(images, draws):
            changed = pixels.crop(pixels.pad(image.clone()[None], padding), top, left, *size)
            image.copy_((pixels.hflip(changed) if flip else changed)[0])
        return self.inputs(images), self.train_labels[torch.from_numpy(samples)].long()

    def micro_batches(self, step):
        config = self.config
        epoch, parts = reference.micro_batches(step, config["run"]["seed"], len(self.train_images),
                                               samples_per_step(config), config["training"]["micro_batch_size"])
        return [self.batch(samples, epoch) for samples in parts]


def make_optimizer(model, settings):
    """Weight decay for what has more than one dimension alone."""
    parameters = list(model.parameters())
    groups = [{"params": [p for p in parameters if p.dim() > 1], "weight_decay": settings["weight_decay"]},
              {"params": [p for p in parameters if p.dim() <= 1], "weight_decay": 0.0}]
    if settings["name"] == "adamw":
        return torch.optim.AdamW(groups, settings["learning_rate"], (settings["beta1"], settings["beta2"]), settings["eps"])
    return torch.optim.SGD(groups, settings["learning_rate"], settings["momentum"], nesterov=settings["nesterov"])


def warmup_steps(config):
    schedule, all_steps = config["schedule"], config["training"]["epochs"] * steps_per_epoch(config)
    return (schedule["warmup_steps"] + schedule["warmup_epochs"] * steps_per_epoch(config)
            + int(schedule["warmup_ratio"] * all_steps + 0.5))


def make_scheduler(optimizer, config):
    """Linear warm-up from 1 / steps to 1, then the schedule over the steps that all epochs have left. The drops of "step"
    are counted from the start of the run, so there the two factors are multiplied."""
    schedule, warmup = config["schedule"], warmup_steps(config)
    all_steps = config["training"]["epochs"] * steps_per_epoch(config)
    main = {"constant": lambda: lr_scheduler.ConstantLR(optimizer, 1.0),
            "cosine": lambda: lr_scheduler.CosineAnnealingLR(optimizer, all_steps - warmup, schedule["min_lr"]),
            "step": lambda: lr_scheduler.StepLR(optimizer, schedule["step_epochs"] * steps_per_epoch(config),
                                                schedule["gamma"])}[schedule["name"]]
    if warmup == 0:
        return main()
    rise = lr_scheduler.LinearLR(optimizer, 1 / warmup, 1.0, max(warmup - 1, 1))
    if schedule["name"] == "step":
        return lr_scheduler.ChainedScheduler([rise, main()])
    return lr_scheduler.SequentialLR(optimizer, [rise, main()], [warmup])


def learning_rates(config, steps):
    """As PyTorch's schedulers give them; min_lr as the lowest value of "step" has no counterpart there."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], config["optimizer"]["learning_rate"])
    rates = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a step of the schedule without one of the optimiser; SequentialLR's own calls
        scheduler = make_scheduler(optimizer, config)
        for _ in range(steps):
            rates.append(optimizer.param_groups[0]["lr"])
            scheduler.step()
    if config["schedule"]["name"] == "step":
        warmup, lowest = warmup_steps(config), config["schedule"]["min_lr"]
        rates = [rate if step < warmup else max(rate, lowest) for step, rate in enumerate(rates)]
    return rates


def batch_norms(model):
    return [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]


def plain_backward(model, batches, smoothing):
    """As anyone writes it: one batch, its mean loss, batch norm as PyTorch has it."""
    (images, labels), = batches
    logits = model(images)
    loss = F.cross_entropy(logits, labels, label_smoothing=smoothing)
    loss.backward()
    return loss.item(), int((logits.argmax(1) == labels).sum())


def ghost_backward(model, batches, smoothing):
    """Micro-batches one by one, their summed losses over the weight of all; running statistics move once, towards the mean
    of the micro-batches' own, which are taken from the inputs of the batch norms."""
    weight, loss, correct, seen = sum(len(labels) for _, labels in batches), 0.0, 0, {}
    hooks = [norm.register_forward_pre_hook(
        lambda norm, inputs: seen.setdefault(norm, []).append(torch.var_mean(inputs[0].detach(), (0, 2, 3))))
        for norm in batch_norms(model)]
    for norm in batch_norms(model):
        norm.momentum = 0.0
    for images, labels in batches:
        logits = model(images)
        share = F.cross_entropy(logits, labels, label_smoothing=smoothing, reduction="sum") / weight
        share.backward()
        loss, correct = loss + share.item(), correct + int((logits.argmax(1) == labels).sum())
    for norm, statistics in seen.items():
        variances, means = zip(*statistics)
        norm.running_mean.mul_(0.9).add_(0.1 * torch.stack(means).mean(0))
        norm.running_var.mul_(0.9).add_(0.1 * torch.stack(variances).mean(0))
    for hook in hooks:
        hook.remove()
    return loss, correct


def initialised(model, seed):
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    values = {name: torch.from_numpy(value) for name, value in reference.initial_weights(shapes, seed).items()}
    model.load_state_dict(values, strict=False)  # the buffers keep PyTorch's own initial values
    return model


class Training:
    """A model and its optimiser in torch.optim, from the initial weights of a configuration."""

    def __init__(self, config):
        self.config, self.data = config, Data(config)
        self.model = initialised(network(config), config["run"]["seed"])
        self.optimizer = make_optimizer(self.model, config["optimizer"])

    def step(self, step):
        """Takes the step with this number, from 0. Returns its loss, accuracy and gradient norm."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rates(self.config, step + 1)[step]
        batches = self.data.micro_batches(step)
        self.optimizer.zero_grad()
        backward = plain_backward if len(batches) == 1 else ghost_backward
        loss, correct = backward(self.model, batches, self.config["loss"]["label_smoothing"])
        longest = self.config["training"]["gradient_clip_norm"] or float("inf")
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), longest)
        self.optimizer.step()
        return {"loss": loss, "train_accuracy": correct / samples_per_step(self.config), "gradient_norm": norm.item()}

    def weights(self):
        """Parameters and running statistics by name."""
        return {name: tensor for name, tensor in self.model.state_dict().items() if "num_batches_tracked" not in name}

    def state(self):
        """The optimiser's state, by lockstep's names and those of the parameters: {array: {parameter: tensor}}."""
        return {ours: {name: self.optimizer.state[parameter][theirs] for name, parameter in self.model.named_parameters()}
                for ours, theirs in self.state_names().items()}

    def state_names(self):
        """PyTorch's name for each array of lockstep's optimiser. Without momentum PyTorch keeps nothing."""
        settings = self.config["optimizer"]
        if settings["name"] == "adamw":
            return {"exp_avg": "exp_avg", "exp_avg_sq": "exp_avg_sq"}
        return {"momentum": "momentum_buffer"} if settings["momentum"] > 0 else {}

    def set_state(self, weights, state, steps_done):
        """Goes on from this state, in the form that weights() and state() return."""
        self.model.load_state_dict(weights, strict=False)
        for name, parameter in self.model.named_parameters():
            kept = {theirs: state[ours][name].clone() for ours, theirs in self.state_names().items()}
            self.optimizer.state[parameter] = kept | {"step": torch.tensor(float(steps_done))}
