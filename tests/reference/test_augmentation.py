"""Augmented micro-batches compared with torchvision's operations, with the draws of docs/numerics.md reimplemented in
numpy."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tests.reference import augmented
from tests.reference.augmented import OFF
from tests.reference.networks import network
from tests.reference.pytorch_training import initialised
from tests.reference.runs import DATA, configuration
from tests.support import reference

pytestmark = pytest.mark.usefixtures("fashion_mnist")
MEAN, STD = [0.4, 0.5, 0.3], [0.2, 0.25, 0.3]
JITTER = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}


def grey_images(count):
    return reference.read_idx(DATA / "train-images-idx3-ubyte.gz", count)[..., None].copy()


def colour_images(count, height, width):
    """Smooth shapes with noise; some images are flat, some have few levels, some are black."""
    generator = np.random.default_rng(1)
    coarse = torch.from_numpy(generator.uniform(-60, 315, (count, 3, 5, 5)))
    smooth = torch.nn.functional.interpolate(coarse, (height, width), mode="bicubic").numpy().transpose(0, 2, 3, 1)
    images = (smooth + generator.normal(0, 8, smooth.shape)).clip(0, 255).astype(np.uint8)
    images[0::16] = generator.integers(0, 256, (len(images[0::16]), 1, 1, 3))
    images[1::16] = images[1::16] // 100 * 100
    images[2::16, 1:] = 0
    return images


IMAGES = {
    "grey_28x28": lambda: grey_images(128),
    "colour_32x32": lambda: colour_images(128, 32, 32),
    "colour_24x40": lambda: colour_images(128, 24, 40),
    "colour_50x20": lambda: colour_images(128, 50, 20),
}


def config_of(settings, channels, seed=7, **training):
    return configuration(
        {
            "run": {"seed": seed},
            "data": {"mean": MEAN[:channels], "std": STD[:channels]},
            "augmentation": OFF | settings,
            "training": {"batch_size": 32, "micro_batch_size": 8} | training,
        }
    )


def normalised(images):
    channels = images.shape[1]
    mean, std = (np.array(numbers[:channels])[:, None, None] for numbers in (MEAN, STD))
    return torch.from_numpy(reference.normalised(images.numpy(), mean, std))


def expected_images(images, settings, seed, epoch, samples, copies):
    """Normalised and erased images, not yet mixed."""
    indices = [int(sample) + (int(copy) << 40) for sample, copy in zip(samples, copies, strict=True)]
    levels = torch.stack(
        [
            augmented.augmented(
                torch.from_numpy(images[sample]).permute(2, 0, 1).contiguous(), settings, seed, epoch, index
            )
            for sample, index in zip(samples, indices, strict=True)
        ]
    )
    return torch.stack(
        [
            augmented.erased(image, settings, seed, epoch, index)
            for image, index in zip(normalised(levels), indices, strict=True)
        ]
    )


def expected_steps(images, config, steps):
    """For each micro-batch (labels, share or None, images), in the form that `augmented.show` returns."""
    settings, seed, repeats = (
        config["augmentation"],
        config["run"]["seed"],
        config["augmentation"]["repeated_augmentation"],
    )
    batch, size = config["training"]["batch_size"], config["training"]["micro_batch_size"]
    for step in range(steps):
        epoch, place = divmod(step, len(images) // batch)
        order = reference.sample_order(seed, epoch, len(images))
        for number in range(batch // size):
            positions = np.arange(size) + place * batch + number * size
            samples = order[positions // repeats]
            made = expected_images(images, settings, seed, epoch, samples, positions % repeats)
            share, made = augmented.mixed(made, settings, seed, step, number) or (None, made)
            yield samples, share, made.numpy()


def compare(folder, images, config, steps, note):
    """Returns the share of pixels that differ, and the largest difference in grey levels."""
    found, microseconds = augmented.show(folder, config, images, steps)
    differing, worst, std = [], 0.0, np.array(STD[: images.shape[-1]])[:, None, None]
    for record, (labels, share, made) in zip(found.reshape(-1), expected_steps(images, config, steps), strict=True):
        assert record["labels"].tolist() == labels.tolist()
        assert record["other_labels"].tolist() == ([-1] * len(labels) if share is None else labels[::-1].tolist())
        assert record["share"] == pytest.approx(1 if share is None else share, abs=1e-12)
        difference = np.abs(record["images"] - made) * std * 255
        differing.append((difference > 1e-3).mean())
        worst = max(worst, difference.max())
    note(
        f"{np.mean(differing):.1e} of the pixels differ, by {worst:.1e} levels at most; {microseconds:.1f} us an image"
    )
    return np.mean(differing), worst


EXACT = {
    "crop_and_flip": {"crop_padding": 3, "flip_probability": 0.5},
    "brightness": {"brightness": 0.9},
    "contrast": {"contrast": 0.9},
    "saturation": {"saturation": 0.9},
    "hue": {"hue": 0.5},
    "jitter": JITTER,
    "erasing": {"random_erasing": 0.7},
}
# Cases where torchvision's own float32 result depends on whether libraries of the host fuse operations.
NEARLY_EXACT = {
    "resized_crop": {"random_resized_crop": True, "flip_probability": 0.5},
    "large_resized_crop": {"random_resized_crop": True, "resized_crop_min_scale": 0.7},
    "weak_rand_augment": {"rand_augment": True, "rand_augment_magnitude": 0, "rand_augment_layers": 1},
    "rand_augment": {"rand_augment": True},
    "trivial_augment": {"trivial_augment": True},
    "strong_rand_augment": {"rand_augment": True, "rand_augment_magnitude": 30, "rand_augment_layers": 3},
}


@pytest.mark.parametrize("images", ["grey_28x28", "colour_24x40"])
@pytest.mark.parametrize("settings", EXACT)
def test_exact_operations_give_the_levels_of_torchvision(tmp_path, note, settings, images):
    made = IMAGES[images]()
    differing, _ = compare(tmp_path, made, config_of(EXACT[settings], made.shape[-1]), 3, note)
    assert differing == 0


@pytest.mark.parametrize("images", ["grey_28x28", "colour_24x40"])
@pytest.mark.parametrize("settings", NEARLY_EXACT)
def test_all_other_operations_give_nearly_the_levels_of_torchvision(tmp_path, note, settings, images):
    made = IMAGES[images]()
    differing, _ = compare(tmp_path, made, config_of(NEARLY_EXACT[settings], made.shape[-1]), 4, note)
    assert differing < 1e-3


def random_settings(seed):
    generator = np.random.default_rng(seed)

    def share(high):
        return round(float(generator.uniform(0, high)), 3)

    def either():
        return bool(generator.integers(2))

    resized, policy = either(), int(generator.integers(3))
    return {
        "random_resized_crop": resized,
        "resized_crop_min_scale": 0.05 + share(0.9),
        "crop_padding": 0 if resized else int(generator.integers(7)),
        "flip_probability": share(1),
        "brightness": share(1),
        "contrast": share(1),
        "saturation": share(1),
        "hue": share(0.5),
        "rand_augment": policy == 1,
        "rand_augment_layers": int(generator.integers(1, 4)),
        "rand_augment_magnitude": int(generator.integers(31)),
        "trivial_augment": policy == 2,
        "random_erasing": share(1),
        "mixup_alpha": share(2),
        "cutmix_prob": share(1),
        "cutmix_alpha": 0.1 + share(2),
        "repeated_augmentation": int(generator.choice([1, 2, 4])),
    }


@pytest.mark.parametrize("seed", range(10))
def test_everything_at_once_in_random_settings_gives_nearly_the_levels_of_torchvision(tmp_path, note, seed):
    images = list(IMAGES.values())[seed % len(IMAGES)]()
    config = config_of(random_settings(seed), images.shape[-1], seed=seed * 2**40)
    differing, _ = compare(tmp_path, images, config, 3, note)
    assert differing < 1e-3


@pytest.mark.parametrize(
    "settings",
    [{"mixup_alpha": 0.2}, {"mixup_alpha": 3.0}, {"cutmix_prob": 1.0}, {"cutmix_prob": 0.5, "cutmix_alpha": 0.3}],
    ids=str,
)
def test_mixing_is_that_of_the_papers(tmp_path, note, settings):
    images = colour_images(128, 24, 40)
    config = config_of(settings | {"repeated_augmentation": 2}, 3)
    differing, _ = compare(tmp_path, images, config, 5, note)
    assert differing == 0


@pytest.mark.parametrize("alpha", [0.05, 0.4, 1.0, 2.5, 10.0])
def test_the_share_has_the_moments_of_the_beta_distribution(tmp_path, note, alpha):
    config = config_of({"mixup_alpha": alpha}, 1, batch_size=2, micro_batch_size=2)
    found, _ = augmented.show(tmp_path, config, np.zeros((64, 1, 1, 1), np.uint8), 20000)
    shares = found["share"].reshape(-1)
    assert ((shares >= 0) & (shares <= 1)).all()
    variance, fourth = 1 / (4 * (2 * alpha + 1)), 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    errors = {
        "mean": (shares.mean() - 0.5) / np.sqrt(variance / len(shares)),
        "variance": (((shares - 0.5) ** 2).mean() - variance) / np.sqrt((fourth - variance**2) / len(shares)),
    }
    note(", ".join(f"{name} off by {error:+.2f} standard errors" for name, error in errors.items()))
    assert max(map(abs, errors.values())) < 4


def test_copies_of_a_sample_follow_each_other_and_differ(tmp_path):
    settings = {"repeated_augmentation": 4, "crop_padding": 4, "flip_probability": 0.5, "trivial_augment": True}
    config = config_of(settings, 1, batch_size=32, micro_batch_size=32)
    found, _ = augmented.show(tmp_path, config, grey_images(128), 4)  # one epoch
    labels = found["labels"].reshape(-1, 4)
    assert (labels == labels[:, :1]).all() and len(set(labels[:, 0])) == len(labels) == 32
    images = found["images"].reshape(32, 4, -1)
    distinct = [len({copy.tobytes() for copy in copies}) for copies in images]
    assert np.mean(distinct) > 3.5


def test_one_augmentation_does_not_change_what_another_draws(tmp_path):
    """Two settings with the same crop and flip differ only where random erasing has written zeros."""
    images, common = colour_images(128, 32, 32), {"crop_padding": 4, "flip_probability": 0.5, "contrast": 0.5}
    without, _ = augmented.show(tmp_path, config_of(common, 3), images, 4)
    erased, _ = augmented.show(tmp_path, config_of(common | {"random_erasing": 1.0}, 3), images, 4)
    differing = without["images"] != erased["images"]
    assert 0.05 < differing.mean() < 0.33
    assert (erased["images"][differing] == 0).all()


def test_training_sees_the_copies_in_order_and_augmented(lockstep, note):
    """With a learning rate of 1e-30 no weight changes, so each step's loss is that of its images in turn."""
    settings = {"repeated_augmentation": 2, "crop_padding": 3, "trivial_augment": True, "random_erasing": 0.5}
    config = config_of(settings, 1, batch_size=4, micro_batch_size=1, epochs=2)
    config["data"]["train_samples"] = 60
    config["optimizer"].update(learning_rate=1e-30, weight_decay=0.0)
    images, labels = grey_images(60), reference.read_idx(DATA / "train-labels-idx1-ubyte.gz", 60)
    model = initialised(network(config), config["run"]["seed"])
    with torch.no_grad():
        expected = [
            F.cross_entropy(model(torch.from_numpy(made)), torch.from_numpy(labels[samples]).long()).item()
            for samples, _, made in expected_steps(images, config, 30)
        ]
    expected = np.reshape(expected, (30, 4)).mean(1)
    found = np.array([step["loss"] for step in lockstep(config).steps])
    worst = np.abs(found / expected - 1).max()
    note(f"worst relative difference of {len(expected)} losses: {worst:.1e}")
    assert worst < 1e-5 and np.ptp(expected) > 0.1
