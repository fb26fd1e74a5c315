"""The models as plain PyTorch modules: from torchvision and timm if they have them, else written from the paper."""

import itertools

import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from tests.reference.runs import image_side

ACTIVATIONS = {
    "relu": nn.ReLU,
    "leaky_relu": nn.LeakyReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "hardswish": nn.Hardswish,
}


class OptionABlock(nn.Module):
    """Basic block whose shortcut subsamples and appends zero channels on both sides (He et al. 2016, option A)."""

    def __init__(self, channels_in, channels_out, stride, activation):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride, self.missing, self.activation = stride, channels_out - channels_in, activation()

    def forward(self, x):
        shortcut = x[:, :, :: self.stride, :: self.stride]
        if self.missing:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, self.missing // 2, self.missing - self.missing // 2))
        return self.activation(shortcut + self.bn2(self.conv2(self.activation(self.bn1(self.conv1(x))))))


class CifarResNet(nn.Module):
    """ResNet for CIFAR, He et al. 2016, section 4.2, with n blocks in each stage."""

    def __init__(self, n, activation, zero_init_residual):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1, self.activation = nn.BatchNorm2d(16), activation()
        for stage, (before, width) in enumerate([(16, 16), (16, 32), (32, 64)]):
            first = OptionABlock(before, width, 2 if stage else 1, activation)
            blocks = [first, *(OptionABlock(width, width, 1, activation) for _ in range(n - 1))]
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
            for block in blocks if zero_init_residual else []:
                nn.init.zeros_(block.bn2.weight)
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(self.activation(self.bn1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


class SmallCnn(nn.Module):
    def __init__(self, activation):
        super().__init__()
        for i, (before, width) in enumerate([(1, 16), (16, 32), (32, 64)], start=1):
            self.add_module(f"conv{i}", nn.Conv2d(before, width, 3, padding=1, bias=False))
            self.add_module(f"bn{i}", nn.BatchNorm2d(width))
        self.activation, self.fc = activation(), nn.Linear(64, 10)

    def forward(self, x):
        x = F.max_pool2d(self.activation(self.bn1(self.conv1(x))), 2, ceil_mode=True)
        x = F.max_pool2d(self.activation(self.bn2(self.conv2(x))), 2, ceil_mode=True)
        return self.fc(self.activation(self.bn3(self.conv3(x))).mean((2, 3)))


def torchvision_resnet(name, side, activation, zero_init_residual):
    """torchvision's ResNet; images under 64 pixels get the usual first layer: 3x3, stride 1, no max-pool."""
    model = getattr(torchvision.models, name)(num_classes=10, zero_init_residual=zero_init_residual)
    model.conv1 = (
        nn.Conv2d(1, 64, 7, 2, padding=3, bias=False) if side >= 64 else nn.Conv2d(1, 64, 3, padding=1, bias=False)
    )
    if side < 64:
        model.maxpool = nn.Identity()
    for module in model.modules():
        if hasattr(module, "relu"):
            module.relu = activation()
    return model


def vit_tiny(side, patch_size, activation):
    """timm keeps the bias that nn.Conv2d draws for the first layer; here it starts at 0 like all others."""
    model = timm.create_model(
        "vit_tiny_patch16_224",
        num_classes=10,
        in_chans=1,
        img_size=side,
        act_layer=activation,
        patch_size=patch_size or (16 if side >= 64 else 4),
    )
    nn.init.zeros_(model.patch_embed.proj.bias)
    return model


def convnext_tiny(side, patch_size, activation):
    """Replaces the stem afterwards: with patches of 2, timm would add a downsampling to the first stage."""
    model = timm.create_model("convnext_tiny", num_classes=10, in_chans=1, act_layer=activation)
    patch_size = patch_size or (4 if side >= 64 else 2)
    model.stem[0] = nn.Conv2d(1, 96, patch_size, patch_size)
    nn.init.zeros_(model.stem[0].bias)
    return model


def mlp(hidden_sizes, activation):
    sizes = [28 * 28, *hidden_sizes, 10]
    layers = [nn.Flatten()]
    for size, following in itertools.pairwise(sizes):
        layers += [nn.Linear(size, following), activation()]
    return nn.Sequential(*layers[:-1])


def network(config):
    """The model of a configuration, in the memory format that lockstep uses for it."""
    settings, side = config["model"], image_side(config)
    name, patch_size = settings["name"], settings.get("patch_size")
    activation = ACTIVATIONS[settings.get("activation", "gelu" if name in ("vit_tiny", "convnext_tiny") else "relu")]
    zero_init = settings.get("zero_init_residual", False)
    makers = {
        "mlp": lambda: mlp(settings["hidden_sizes"], activation),
        "small_cnn": lambda: SmallCnn(activation),
        "resnet20": lambda: CifarResNet(3, activation, zero_init),
        "resnet56": lambda: CifarResNet(9, activation, zero_init),
        "vit_tiny": lambda: vit_tiny(side, patch_size, activation),
        "convnext_tiny": lambda: convnext_tiny(side, patch_size, activation),
    }
    model = makers[name]() if name in makers else torchvision_resnet(name, side, activation, zero_init)
    default = "contiguous" if name == "mlp" else "channels_last"
    if settings.get("memory_format", "auto").replace("auto", default) == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    return model
