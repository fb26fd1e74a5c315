"""The models as plain PyTorch modules: torchvision's where it has them, else written from the paper."""
import torch
import torchvision
from torch import nn
from torch.nn import functional as F


class OptionABlock(nn.Module):
    """Basic block whose shortcut subsamples and appends zero channels on both sides (He et al. 2016, option A)."""

    def __init__(self, channels_in, channels_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels_out)
        self.stride, self.missing = stride, channels_out - channels_in

    def forward(self, x):
        shortcut = x[:, :, ::self.stride, ::self.stride]
        if self.missing:
            shortcut = F.pad(shortcut, (0, 0, 0, 0, self.missing // 2, self.missing - self.missing // 2))
        return F.relu(shortcut + self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))))


class ResNet20(nn.Module):
    """He et al. 2016, section 4.2, n = 3."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = nn.Sequential(*(OptionABlock(16, 16, 1) for _ in range(3)))
        self.layer2 = nn.Sequential(OptionABlock(16, 32, 2), *(OptionABlock(32, 32, 1) for _ in range(2)))
        self.layer3 = nn.Sequential(OptionABlock(32, 64, 2), *(OptionABlock(64, 64, 1) for _ in range(2)))
        self.fc = nn.Linear(64, 10)

    def forward(self, x):
        x = self.layer3(self.layer2(self.layer1(F.relu(self.bn1(self.conv1(x))))))
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))


def resnet18():
    """torchvision's, with the usual first layer for small images: 3x3, stride 1, no max-pool."""
    model = torchvision.models.resnet18(num_classes=10)
    model.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
    model.maxpool = nn.Identity()
    return model


def mlp(hidden_sizes):
    sizes = [28 * 28, *hidden_sizes, 10]
    layers = [nn.Flatten()]
    for size, following in zip(sizes, sizes[1:]):
        layers += [nn.Linear(size, following), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def network(config):
    """The model of a configuration, in the memory format in which lockstep would hold it."""
    settings = config["model"]
    makers = {"resnet20": ResNet20, "resnet18": resnet18, "mlp": lambda: mlp(settings["hidden_sizes"])}
    model = makers[settings["name"]]()
    default = "contiguous" if settings["name"] == "mlp" else "channels_last"
    if settings.get("memory_format", default) == "channels_last":
        model = model.to(memory_format=torch.channels_last)
    return model
