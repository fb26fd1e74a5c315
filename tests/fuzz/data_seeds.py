"""Seeds for the targets that read data sets: IDX, CIFAR, packed and tar files, images and folders of images."""

import gzip
import io
import struct
import tarfile

from PIL import Image

from tests.support.idx_files import idx
from tests.support.image_files import encoded, picture

RECORD = struct.Struct("<16sq3Q3Q")


def idx_folders():
    images, labels = idx([3, 4, 4], bytes(range(48))), idx([3], bytes([0, 1, 0]))
    for flag, files in ((0, (images, labels)), (1, (gzip.compress(images), gzip.compress(labels)))):
        yield bytes([flag]) + struct.pack("<H", len(files[0])) + b"".join(files)


def cifar():
    yield bytes([3, 3]) + bytes(200)
    yield bytes([2, 1, 99]) + b"apple\nbaby\n" * 9
    yield bytes([1]) + b"airplane\n" * 3


def packed(height, width, channels, labels, train, names=b""):
    """A packed file as docs/data_format.md describes it, except for its hash, which the target corrects."""
    records_at = (104 + len(names) + 7) // 8 * 8
    pixels_at = (records_at + 72 * len(labels) + 4095) // 4096 * 4096
    header = (
        b"lockpack"
        + struct.pack(
            "<10Q", 1, height, width, channels, train, len(labels) - train, 2, len(names), records_at, pixels_at
        )
        + bytes(16)
    )
    area = height * width
    sums = [128 * area if c < channels else 0 for c in range(3)]
    squares = [128 * 128 * area if c < channels else 0 for c in range(3)]
    records = b"".join(RECORD.pack(bytes(16), label, *sums, *squares) for label in labels)
    return ((header + names).ljust(records_at, b"\0") + records).ljust(pixels_at, b"\0")


def packed_files():
    yield packed(2, 2, 1, [0, 1, 0, 1, 0], 3)
    yield packed(1, 3, 3, [0, 1, 0], 2, b"a\nb\n")


def tar(format_, members):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
                archive.addfile(member)
            elif isinstance(content, str):
                member.type, member.linkname = tarfile.SYMTYPE, content
                archive.addfile(member)
            else:
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    return file.getvalue().rstrip(b"\0").ljust(512, b"\0") + bytes(1536)


def tars():
    members = [("train/a/1.png", b"x"), ("train/b/1.png", b"y"), ("test/a/1.png", b"z"), ("test/b/2.jpg", b"")]
    for format_ in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        yield tar(format_, members)
    deep = [("r/train", None), *(("r/" + name, content) for name, content in members)]
    yield tar(tarfile.GNU_FORMAT, [*deep, ("r/train/a/" + "x" * 120 + ".png", b"w")])
    yield tar(tarfile.PAX_FORMAT, [*deep, ("r/train/a/" + "ä" * 80 + ".png", b"w")])
    yield tar(tarfile.GNU_FORMAT, [*members, ("train/a/l.png", "../b/1.png")])


def images():
    colours, grey = picture(1, 20, 24), picture(2, 9, 7, grey=True)
    for quality, subsampling in ((10, 0), (95, 2)):
        yield encoded(colours, "jpg", quality=quality, subsampling=subsampling)
    yield encoded(colours, "jpg", progressive=True)
    yield encoded(colours, "jpg", restart_marker_blocks=2)
    yield encoded(grey, "jpg")
    yield encoded(Image.new("CMYK", (9, 8)), "jpg")
    for image in (colours, grey, colours.convert("RGBA"), grey.convert("1"), grey.convert("I;16")):
        yield encoded(image, "png")
    yield encoded(colours.convert("P"), "png", transparency=3)


def image_folders():
    yield b"train/a/1.jpg\ntrain/b/2.PNG\ntest/a/1.jpeg\ntest/b/\n"
    yield b"train/a/x/1.png\ntrain/.git/1.png\nval/a/1.png\nval/a/notes.txt\n"
    yield b"train/a/1.png\ntrain/a/again -> .\ntest/a/gone.png -> nothing\n"
