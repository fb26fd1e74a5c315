"""Reads and writes folders of gzipped IDX files, the format of Fashion-MNIST."""

import gzip
import struct
from pathlib import Path
from typing import NamedTuple

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")
SIDE = 28


class Part(NamedTuple):
    pixels: bytes  # SIDE * SIDE bytes per image
    labels: bytes


def file_names(part):
    return f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"


def first_images(part, count):
    """The first images of Fashion-MNIST's part "train" or "t10k"."""
    images, labels = file_names(part)
    with gzip.open(FASHION_MNIST / images) as file:
        pixels = file.read(16 + count * SIDE * SIDE)[16:]
    with gzip.open(FASHION_MNIST / labels) as file:
        return Part(pixels, file.read(8 + count)[8:])


def idx(shape, data, magic=None):
    """An uncompressed IDX file of unsigned bytes."""
    return (magic or bytes([0, 0, 8, len(shape)])) + struct.pack(f">{len(shape)}I", *shape) + data


def image_file(part):
    return idx([len(part.labels), SIDE, SIDE], part.pixels)


def label_file(part):
    return idx([len(part.labels)], part.labels)


def write_folder(folder, train, test):
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", train), ("t10k", test)):
        for file, content in zip(file_names(name), (image_file(part), label_file(part)), strict=True):
            (folder / file).write_bytes(gzip.compress(content, compresslevel=1))
    return folder
