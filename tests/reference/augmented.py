"""Augmentation, written independently: the draws in numpy and plain Python from docs/numerics.md, the pixels by
torchvision."""

import math
import os
import subprocess
from pathlib import Path

import numpy as np
from torchvision.transforms import RandAugment, TrivialAugmentWide
from torchvision.transforms import functional as pixels
from torchvision.transforms.autoaugment import _apply_op

from tests.reference.runs import as_toml
from tests.support import reference

AUGMENTATION, RESIZED_CROP, RANDOM_AUGMENT, COLOUR_JITTER, RANDOM_ERASING, MIXING = 2, 4, 5, 6, 7, 8  # purposes
OFF = {
    "crop_padding": 0,
    "flip_probability": 0.0,
    "random_resized_crop": False,
    "resized_crop_min_scale": 0.08,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
    "rand_augment": False,
    "rand_augment_layers": 2,
    "rand_augment_magnitude": 9,
    "trivial_augment": False,
    "random_erasing": 0.0,
    "mixup_alpha": 0.0,
    "cutmix_prob": 0.0,
    "cutmix_alpha": 1.0,
    "repeated_augmentation": 1,
}


class Stream:
    """The draws of one stream, in order."""

    def __init__(self, *key):
        self.key, self.drawn, self.blocks = key, [], 0

    def next(self):
        if not self.drawn:
            self.drawn = [int(word) for word in reference.words(*self.key, 4, self.blocks)]
            self.blocks += 4
        return self.drawn.pop(0)

    def uniform(self):
        high, low = self.next() >> 5, self.next() >> 6
        return (high * 2**26 + low) / 2**53

    def below(self, count):
        return self.next() * count >> 32

    def between(self, low, high):
        return low + (high - low) * self.uniform()

    def normal(self):
        radius = math.sqrt(-2 * math.log(1 - self.uniform()))
        return radius * math.cos(2 * math.pi * self.uniform())

    def log_gamma(self, alpha):
        """The logarithm of a Gamma(alpha) variable by Marsaglia and Tsang 2000."""
        boost = math.log(1 - self.uniform()) / alpha if alpha < 1 else 0
        d = (alpha + 1 if alpha < 1 else alpha) - 1 / 3
        while True:
            x = self.normal()
            v, u = (1 + x / math.sqrt(9 * d)) ** 3, self.uniform()
            if v > 0 and math.log(1 - u) < x * x / 2 + d * (1 - v + math.log(v)):
                return math.log(d * v) + boost

    def beta(self, alpha):
        x = self.log_gamma(alpha)
        return 1 / (1 + math.exp(min(self.log_gamma(alpha) - x, 700)))

    def sides(self, area, scale, ratio):
        """Two side lengths whose product is area * (a draw from `scale`) and whose quotient is a draw from `ratio`."""
        area = area * self.between(*scale)
        ratio = math.exp(self.between(*map(math.log, ratio)))
        return round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))


def resized_crop(stream, image, settings):
    height, width = image.shape[-2:]
    for _ in range(10):
        w, h = stream.sides(height * width, (settings["resized_crop_min_scale"], 1), (3 / 4, 4 / 3))
        if 0 < w <= width and 0 < h <= height:
            box = stream.below(height - h + 1), stream.below(width - w + 1), h, w
            break
    else:
        h, w = min(height, round(width * 4 / 3)), min(width, round(height * 4 / 3))
        box = (height - h) // 2, (width - w) // 2, h, w
    return pixels.resized_crop(image, *box, [height, width], antialias=True)


def magnitude_of(magnitudes, number):
    """A magnitude from torchvision's table. Between the ends of a torch.linspace the last bit depends on the vector
    width of the host, so that bit is computed again without vectors."""
    if magnitudes.ndim == 0 or not magnitudes.is_floating_point():
        return float(magnitudes[number]) if magnitudes.ndim else 0.0
    first, last, half = *magnitudes[[0, -1]].numpy(), len(magnitudes) // 2
    step = (last - first) / np.float32(len(magnitudes) - 1)
    again = (
        first + step * np.float32(number) if number < half else last - step * np.float32(len(magnitudes) - 1 - number)
    )
    assert abs(again - float(magnitudes[number])) <= 1.2e-7 * max(abs(first), abs(last))
    return float(again)


def operations(stream, image, settings):
    """RandAugment or TrivialAugmentWide, from torchvision's own table."""
    rand = settings["rand_augment"]
    table = (
        RandAugment()._augmentation_space(31, tuple(image.shape[-2:]))
        if rand
        else TrivialAugmentWide()._augmentation_space(31)
    )
    for _ in range(settings["rand_augment_layers"] if rand else 1):
        name = list(table)[stream.below(len(table))]
        magnitudes, signed = table[name]
        number = settings["rand_augment_magnitude"] if rand else stream.below(31)
        magnitude = magnitude_of(magnitudes, number)
        other_side = stream.below(2)
        sign = -1 if signed and other_side else 1
        image = _apply_op(image, name, sign * magnitude, pixels.InterpolationMode.NEAREST, None)
    return image


def jittered(key, image, settings):
    strengths = [settings[key] for key in ("brightness", "contrast", "saturation", "hue")]
    if not any(strengths):
        return image
    stream, order = Stream(*key), [0, 1, 2, 3]
    for last in (3, 2, 1):  # Fisher and Yates
        other = stream.below(last + 1)
        order[last], order[other] = order[other], order[last]
    factors = [stream.between(middle - by, middle + by) for middle, by in zip((1, 1, 1, 0), strengths, strict=True)]
    changes = pixels.adjust_brightness, pixels.adjust_contrast, pixels.adjust_saturation, pixels.adjust_hue
    for which in order:
        if strengths[which]:
            image = changes[which](image, factors[which])
    return image


def augmented(image, settings, seed, epoch, index):
    """Augments `image`, uint8 [channels, height, width], before normalisation; `index` of the sample's streams."""
    [(top, left, flip)] = reference.crops_and_flips(
        seed, epoch, np.array([index]), settings["crop_padding"], settings["flip_probability"]
    )
    if settings["random_resized_crop"]:
        image = resized_crop(Stream(seed, RESIZED_CROP, epoch, index), image, settings)
    else:
        image = pixels.crop(pixels.pad(image, settings["crop_padding"]), top, left, *image.shape[-2:])
    image = pixels.hflip(image) if flip else image
    if settings["rand_augment"] or settings["trivial_augment"]:
        image = operations(Stream(seed, RANDOM_AUGMENT, epoch, index), image, settings)
    return jittered((seed, COLOUR_JITTER, epoch, index), image, settings)


def erased(image, settings, seed, epoch, index):
    """The normalised `image` after random erasing."""
    if settings["random_erasing"] == 0:
        return image
    stream, (height, width) = Stream(seed, RANDOM_ERASING, epoch, index), image.shape[-2:]
    if stream.uniform() < settings["random_erasing"]:
        for _ in range(10):
            h, w = stream.sides(height * width, (0.02, 0.33), (0.3, 3.3))
            if h < height and w < width:
                return pixels.erase(image, stream.below(height - h + 1), stream.below(width - w + 1), h, w, 0)
    return image


def mixed(images, settings, seed, step, micro_batch):
    """(share, images) of a micro-batch; None if nothing is mixed."""
    stream, (height, width) = Stream(seed, MIXING, step, micro_batch), images.shape[-2:]
    if stream.uniform() < settings["cutmix_prob"]:
        side = math.sqrt(1 - stream.beta(settings["cutmix_alpha"]))
        middle_y, middle_x = stream.below(height), stream.below(width)
        half_y, half_x = int(height * side) // 2, int(width * side) // 2
        y = slice(max(middle_y - half_y, 0), min(middle_y + half_y, height))
        x = slice(max(middle_x - half_x, 0), min(middle_x + half_x, width))
        result = images.clone()
        result[..., y, x] = images.flip(0)[..., y, x]
        return 1 - (y.stop - y.start) * (x.stop - x.start) / (height * width), result
    if settings["mixup_alpha"] > 0:
        share = stream.beta(settings["mixup_alpha"])
        return share, images * share + images.flip(0) * (1 - share)
    return None


def show(folder, config, images, steps):
    """What lockstep makes of `images`, uint8 [n, height, width, channels]. Returns for each step its micro-batches as
    an array of records (share, labels, other_labels, images), where the label is the number of the image; and the
    microseconds per image."""
    (folder / "config.toml").write_text(as_toml(config))
    images.tofile(folder / "images")
    _, height, width, channels = images.shape
    size = config["training"]["micro_batch_size"]
    program = Path(os.environ["LOCKSTEP_BIN"]) / "show_augmented"
    done = subprocess.run(
        [program, folder / "config.toml", folder / "images", *map(str, images.shape), str(steps), folder / "out"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    record = np.dtype(
        [
            ("share", "f8"),
            ("labels", "i8", size),
            ("other_labels", "i8", size),
            ("images", "f4", (size, channels, height, width)),
        ]
    )
    return np.fromfile(folder / "out", record).reshape(steps, -1), float(done.stdout)
