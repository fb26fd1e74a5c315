"""Draws small pictures and writes them as folders and tar files of images; reads packed files."""

import io
import json
import tarfile
from typing import NamedTuple

import numpy as np
from PIL import Image

RECORD = np.dtype([("hash", "V16"), ("label", "<i8"), ("sums", "<u8", 3), ("squares", "<u8", 3)])


def picture(number, height=32, width=32, grey=False):
    """A smooth coloured or grey picture with noise, a different one for each number."""
    random = np.random.default_rng(number)
    y, x = np.mgrid[0:height, 0:width]
    waves = [
        np.sin(x * random.uniform(0.05, 0.6) + y * random.uniform(0.05, 0.6) + random.uniform(0, 6))
        for _ in range(1 if grey else 3)
    ]
    levels = np.stack(waves, -1) * 90 + 128 + random.normal(0, 6, (height, width, 1))
    levels = levels.clip(0, 255).astype(np.uint8)
    return Image.fromarray(levels[..., 0] if grey else levels)


def encoded(image, ending="jpg", **options):
    """The bytes of an image file."""
    file = io.BytesIO()
    image.save(file, {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG"}[ending], **options)
    return file.getvalue()


def tree(train=320, test=60, classes=("bird", "cat", "dog"), ending="jpg", **options):
    """{path: bytes} of train/CLASS/NNNN.jpg and test/CLASS/NNNN.jpg (with another `ending`, in that format)."""
    files = {}
    for part, count, first in (("train", train, 0), ("test", test, 100000)):
        for number in range(count):
            name = f"{part}/{classes[number % len(classes)]}/{number // len(classes):04}.{ending}"
            files[name] = encoded(picture(first + number, **options), ending)
    return files


def write_folder(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def write_tar(path, files, prefix=""):
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def write_cifar10(folder, per_file=64):
    """Six files of random records in the binary form of CIFAR-10."""
    folder.mkdir()
    for number, name in enumerate([*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]):
        random = np.random.default_rng(number)
        records = random.integers(0, 256, (per_file, 1 + 3072), dtype=np.uint8)
        records[:, 0] = np.arange(per_file) % 10
        (folder / name).write_bytes(records.tobytes())
    return folder


class Packed(NamedTuple):
    classes: list
    records: np.ndarray  # of RECORD
    pixels: np.ndarray  # uint8 [images, height, width, channels], those of the training set first
    train_count: int


def read_packed(path):
    """A packed file, as docs/data_format.md describes it."""
    content = path.read_bytes()
    assert content[:8] == b"lockpack"
    (version, height, width, channels, train, test, classes, names_bytes, records_offset, pixels_offset) = (
        np.frombuffer(content, "<u8", 10, 8).tolist()
    )
    assert version == 1
    names = content[104 : 104 + names_bytes].decode().splitlines()
    assert len(names) in (0, classes)
    records = np.frombuffer(content, RECORD, train + test, records_offset)
    pixels = np.frombuffer(content, np.uint8, offset=pixels_offset)
    return Packed(names, records, pixels.reshape(train + test, height, width, channels), train)


def events(stdout):
    return [json.loads(line) for line in stdout.splitlines()]
