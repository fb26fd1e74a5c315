"""Decoded and resized images compared with Pillow and torchvision, channel statistics and the packed file with
numpy."""

import io
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torchvision.transforms.functional as F
from PIL import Image, ImageDraw, features

from tests.support.image_files import encoded, picture, read_packed, write_folder

LOCKSTEP = Path(os.environ["LOCKSTEP_BIN"]) / "lockstep"


def scene(number, height, width, grey=False):
    """An image with sharp edges on a smooth background."""
    image = picture(number, height, width, grey)
    draw, random = ImageDraw.Draw(image), np.random.default_rng(number + 1000)
    for _ in range(6):
        x, y = int(random.integers(width)), int(random.integers(height))
        colour = int(random.integers(256)) if grey else tuple(int(level) for level in random.integers(0, 256, 3))
        draw.ellipse((x, y, x + width // 4, y + height // 3), fill=colour)
    return image


def packed(folder, contents, *settings):
    """The pixels that lockstep makes of these files, in their order; each file is its own class."""
    files = {
        f"{part}/{number:03}/0.jpg": content for number, content in enumerate(contents) for part in ("train", "test")
    }
    write_folder(folder / "images", files)
    options = [word for setting in settings for word in ("--set", setting)]
    subprocess.run([LOCKSTEP, "pack", folder / "images", folder / "out", *options], check=True, capture_output=True)
    return read_packed(folder / "out").pixels[: len(contents)]


def as_pillow(content, mode="RGB"):
    levels = np.asarray(Image.open(io.BytesIO(content)).convert(mode))
    return levels[..., None] if levels.ndim == 2 else levels


def resized(content, side, mode="RGB"):
    """Resizes columns before rows: Pillow would choose the order by the size, which sometimes changes a level by
    one."""
    image = Image.open(io.BytesIO(content)).convert(mode)
    height, width = F._compute_resized_output_size((image.height, image.width), [side])
    whole = F.resize(F.resize(image, [image.height, width]), [height, width])
    levels = np.asarray(F.center_crop(whole, side))
    return levels[..., None] if levels.ndim == 2 else levels


def differences(found, expected):
    return np.abs(found.astype(int) - np.stack(expected))


SAMPLINGS = {"4:4:4": 0, "4:2:2": 1, "4:2:0": 2}


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("sampling", SAMPLINGS)
@pytest.mark.parametrize("size", [(32, 32), (45, 70), (224, 161)])
def test_jpegs_of_their_own_size_are_those_of_pillow(tmp_path, note, sampling, size, progressive):
    contents = [
        encoded(scene(number, *size), quality=60 + 5 * number, subsampling=SAMPLINGS[sampling], progressive=progressive)
        for number in range(8)
    ]
    found = differences(packed(tmp_path, contents), [as_pillow(content) for content in contents])
    note(
        f"{np.mean(found > 0):.1e} of the levels differ, by {found.max()} at most; "
        f"Pillow has libjpeg-turbo {features.version('libjpeg_turbo')}"
    )
    assert found.max() <= 1 and np.mean(found > 0) < 0.01


def test_grey_jpegs_are_those_of_pillow(tmp_path, note):
    contents = [encoded(scene(number, 40, 33, grey=True)) for number in range(8)]
    found = differences(packed(tmp_path, contents), [as_pillow(content, "L") for content in contents])
    note(f"{np.mean(found > 0):.1e} of the levels differ, by {found.max()} at most")
    assert found.max() <= 1 and np.mean(found > 0) < 0.01


@pytest.mark.parametrize("progressive", [False, True])
def test_jpegs_of_inks_are_those_of_pillow(tmp_path, note, progressive):
    """CMYK and YCCK, with and without the Adobe marker."""
    scenes = [
        Image.merge("CMYK", (*scene(number, 40, 33).split(), scene(9 + number, 40, 33, grey=True)))
        for number in range(4)
    ]
    contents = [encoded(image, quality=90, progressive=progressive) for image in scenes]
    adobe = contents[0].index(b"Adobe")
    contents.append(contents[0][: adobe + 11] + b"\2" + contents[0][adobe + 12 :])  # the same bytes, marked as YCCK
    contents.append(contents[0][: adobe - 4] + contents[0][adobe + 12 :])
    found = differences(packed(tmp_path, contents), [as_pillow(content) for content in contents])
    note(f"{np.mean(found > 0):.1e} of the levels differ, by {found.max()} at most")
    assert found.max() <= 1 and np.mean(found > 0) < 0.01


def png_kinds():
    image, grey = scene(1, 40, 50), scene(2, 40, 50, grey=True)
    transparent = image.copy()
    transparent.putalpha(grey)
    return {
        "colour": image,
        "palette": image.quantize(37),
        "alpha": transparent,
        "grey": grey,
        "two levels": grey.point(lambda level: 255 * (level > 128), "1"),
        "grey with alpha": Image.merge("LA", (grey, grey.transpose(Image.Transpose.FLIP_LEFT_RIGHT))),
    }


def test_pngs_are_those_of_pillow_bit_by_bit(tmp_path):
    contents = [encoded(image, "png") for image in png_kinds().values()]
    assert differences(packed(tmp_path, contents), [as_pillow(content) for content in contents]).max() == 0


@pytest.mark.parametrize("side", [16, 24, 40, 100])
def test_resizing_is_that_of_torchvision_bit_by_bit(tmp_path, side):
    sizes = [(40, 40), (40, 61), (97, 40), (33, 35), (17, 90), (200, 150), (24, 24), (41, 24)]
    contents = [encoded(scene(number, *size), "png") for number, size in enumerate(sizes)]
    found = packed(tmp_path, contents, f"data.image_size={side}")
    assert differences(found, [resized(content, side) for content in contents]).max() == 0


def test_grey_images_are_resized_as_those_of_torchvision(tmp_path):
    contents = [encoded(scene(number, 50 + number, 70, grey=True), "png") for number in range(6)]
    found = packed(tmp_path, contents, "data.image_size=31")
    assert differences(found, [resized(content, 31, "L") for content in contents]).max() == 0


@pytest.mark.parametrize("side", [32, 64, 100])
def test_jpegs_decoded_at_a_smaller_scale_are_close_to_those_decoded_whole(tmp_path, note, side):
    contents = [encoded(scene(number, 300 + 40 * number, 400), quality=92) for number in range(5)]
    pixels = packed(tmp_path, contents, f"data.image_size={side}")
    expected = np.stack([resized(content, side) for content in contents])
    found = differences(pixels, expected)
    shifted = np.abs(np.roll(pixels.astype(int), 1, axis=2) - expected)
    note(f"mean difference {found.mean():.2f} of 255 levels; shifted by a pixel, {shifted.mean():.2f}")
    assert found.mean() < 8 and found.mean() < shifted.mean() / 2


def test_the_records_of_a_packed_file_are_sums_over_its_pixels(tmp_path):
    contents = [encoded(scene(number, 20, 30)) for number in range(9)]
    packed(tmp_path, contents)
    file = read_packed(tmp_path / "out")
    levels = file.pixels.astype(np.uint64)
    assert (file.records["sums"] == levels.sum((1, 2))).all()
    assert (file.records["squares"] == (levels**2).sum((1, 2))).all()
    assert file.records["label"].tolist() == [*range(9), *range(9)]
    assert file.classes == [f"{number:03}" for number in range(9)]
