#!/usr/bin/env python3
"""The peer that lockstep is compared with: PyTorch DistributedDataParallel over gloo, training the same networks.

  torchrun --standalone --nproc-per-node 2 ddp_peer.py --model resnet20 --batch 256 --steps 60

Threads and allocator are as torchrun and PyTorch set them, which is what a user gets. The last line of standard output
is one JSON object. A step is timed from drawing its samples to the end of the update; the first WARM_UP_STEPS are left
out of all figures. torchvision is needed for resnet18 only.
"""

import argparse
import gzip
import json
import statistics
import time
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn
from torch.nn.parallel import DistributedDataParallel

WARM_UP_STEPS = 3  # the warm-up: DDP lays out its buckets and oneDNN compiles its kernels
MEAN, STD = 0.2860, 0.3530  # of the pixels of Fashion-MNIST's training set
PADDING = 2


def read_idx(path):
    """An IDX file of unsigned bytes: two zero bytes, type 8, the number of dimensions, each as big-endian uint32."""
    content = gzip.decompress(path.read_bytes())
    if content[:3] != b"\0\0\x08":
        raise SystemExit(f"ddp_peer: {path} is not an IDX file of unsigned bytes")
    header = 4 + 4 * content[3]
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    return torch.frombuffer(bytearray(content[header:]), dtype=torch.uint8).reshape(shape)


def read_part(folder, prefix):
    """Images, uint8 [n, 1, height, width], and labels, int64 [n]."""
    images = read_idx(folder / f"{prefix}-images-idx3-ubyte.gz").unsqueeze(1)
    return images, read_idx(folder / f"{prefix}-labels-idx1-ubyte.gz").long()


def normalised(images):
    return (images.float() / 255 - MEAN) / STD


class Residual(nn.Module):
    """Two 3x3 convolutions and a shortcut without parameters (He et al. 2016, section 4.2, option A)."""

    def __init__(self, width_in, width, stride):
        super().__init__()
        self.stride, self.missing = stride, width - width_in
        self.branch = nn.Sequential(
            nn.Conv2d(width_in, width, 3, stride, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x):
        shortcut = x
        if self.missing:
            below = self.missing // 2
            shortcut = F.pad(x[..., :: self.stride, :: self.stride], (0, 0, 0, 0, below, self.missing - below))
        return F.relu(self.branch(x) + shortcut)


def resnet20():
    """Depth 6n + 2 with n = 3: three stages of three blocks with 16, 32 and 64 channels."""
    modules = [nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU()]
    width_in = 16
    for width in (16, 32, 64):
        for _ in range(3):
            modules.append(Residual(width_in, width, stride=1 if width == width_in else 2))
            width_in = width
    return nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def resnet18():
    """torchvision's, with a 3x3 first convolution and no max-pool, as small images need."""
    from torchvision.models import resnet18 as build

    network = build(num_classes=10)
    network.conv1 = nn.Conv2d(1, 64, 3, 1, 1, bias=False)
    network.maxpool = nn.Identity()
    return network


def mlp():
    return nn.Sequential(
        nn.Flatten(), nn.Linear(784, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 10)
    )


def augmented(images):
    """Mirrors each image with probability 1/2 and cuts one random window from the padded batch.

    One window for all images costs next to nothing; lockstep draws one per image.
    """
    images = torch.where(torch.rand(len(images), 1, 1, 1) < 0.5, images.flip(-1), images)
    top, left = torch.randint(0, 2 * PADDING + 1, (2,)).tolist()
    height, width = images.shape[-2:]
    return F.pad(images, (PADDING,) * 4)[..., top : top + height, left : left + width]


def train(network, images, labels, options, steps):
    """Returns the seconds that each step took."""
    rank, world_size = dist.get_rank(), dist.get_world_size()
    share = options.batch // world_size
    per_epoch = len(images) // options.batch
    optimizer = torch.optim.SGD(network.parameters(), lr=options.lr, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=options.lr, total_steps=steps)
    seconds = []
    network.train()
    for step in range(steps):
        epoch, within = divmod(step, per_epoch)
        if within == 0:
            order = torch.randperm(len(images), generator=torch.Generator().manual_seed(epoch))
        start = time.perf_counter()
        first = within * options.batch + rank * share
        chosen = order[first : first + share]
        logits = network(augmented(normalised(images[chosen])))
        loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.1)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        seconds.append(time.perf_counter() - start)
        if options.announce_first_step and step == 0 and rank == 0:
            print(json.dumps({"event": "first_step"}), flush=True)
    return seconds


@torch.no_grad()
def accuracy(network, images, labels, chunk=500):
    """Share of correct answers; each rank evaluates every world_size-th chunk."""
    network.eval()
    rank, world_size = dist.get_rank(), dist.get_world_size()
    correct = torch.zeros((), dtype=torch.int64)
    for first in range(rank * chunk, len(images), world_size * chunk):
        part = slice(first, first + chunk)
        correct += (network(normalised(images[part])).argmax(1) == labels[part]).sum()
    dist.all_reduce(correct)
    return correct.item() / len(images)


def allocator():
    """Which library provides malloc(), since the dynamic linker only warns if a library to preload is missing."""
    return "jemalloc" if "libjemalloc" in Path("/proc/self/maps").read_text() else "the C library's"


def options_from_command_line():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", choices=("resnet20", "resnet18", "mlp"), default="resnet20")
    parser.add_argument("--batch", type=int, default=256, help="samples a step over all ranks; they must divide it")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the training set, unless --steps is given")
    parser.add_argument("--steps", type=int, default=0, help="train so many steps instead of whole epochs")
    parser.add_argument("--lr", type=float, default=0.1, help="highest learning rate of the one cycle")
    parser.add_argument("--test-samples", type=int, default=0, help="evaluate on the first so many; 0 takes all")
    parser.add_argument("--announce-first-step", action="store_true", help="print a JSON line after the first step")
    parser.add_argument("--data", type=Path, default=Path("/usr/share/datasets/fashion-mnist"))
    return parser.parse_args()


def main():
    options = options_from_command_line()
    dist.init_process_group("gloo")
    rank, world_size = dist.get_rank(), dist.get_world_size()
    images, labels = read_part(options.data, "train")
    if options.batch % world_size or options.batch > len(images):
        raise SystemExit(
            f"ddp_peer: --batch {options.batch} cannot be shared by {world_size} ranks ({len(images)} training samples)"
        )
    steps = options.steps or options.epochs * (len(images) // options.batch)
    if steps <= WARM_UP_STEPS:
        raise SystemExit(f"ddp_peer: --steps {steps} leaves nothing to measure; take more than {WARM_UP_STEPS}")
    torch.manual_seed(rank)  # DDP broadcasts rank 0's initial weights; the augmentation differs between ranks
    network = DistributedDataParallel({"resnet20": resnet20, "resnet18": resnet18, "mlp": mlp}[options.model]())
    measured = train(network, images, labels, options, steps)[WARM_UP_STEPS:]
    test_images, test_labels = read_part(options.data, "t10k")
    count = options.test_samples or len(test_images)
    result = {
        "model": options.model,
        "ranks": world_size,
        "batch": options.batch,
        "steps": steps,
        "allocator": allocator(),
        "threads_per_rank": torch.get_num_threads(),
        "images_per_s": round(options.batch * len(measured) / sum(measured), 1),
        "ms_per_step": round(statistics.median(measured) * 1e3, 3),
        "ms_per_step_mean": round(statistics.mean(measured) * 1e3, 3),
        "test_accuracy": round(accuracy(network.module, test_images[:count], test_labels[:count]), 4),
    }
    if rank == 0:
        print(json.dumps(result), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
