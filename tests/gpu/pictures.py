"""Small pictures to train on where there is no data set: noise in ten colours, one for each class. Needs only plain
Python."""

import random
import struct
import zlib

CLASSES = 10
SIDE = 64
SPREAD = 60  # of a pixel's level around that of its class


def png(rows):
    """A PNG file with 8 bits per channel. rows: for each row, its bytes red, green, blue, ..."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", len(rows[0]) // 3, len(rows), 8, 2, 0, 0, 0)
    lines = b"".join(b"\0" + row for row in rows)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines, 1)) + chunk(b"IEND", b"")


def picture(source, label):
    colour = [(label * step) % 196 for step in (53, 97, 131)]
    noise = source.randbytes(3 * SIDE * SIDE)
    levels = bytes(colour[i % 3] + noise[i] % SPREAD for i in range(len(noise)))
    return png([levels[3 * SIDE * line : 3 * SIDE * (line + 1)] for line in range(SIDE)])


def write_pictures(folder, train, test):
    """Writes `train` pictures to folder/train/CLASS/NNNN.png, and `test` to folder/test/..."""
    source = random.Random(1)
    for part, count in (("train", train), ("test", test)):
        for number in range(count):
            target = folder / part / f"c{number % CLASSES}"
            target.mkdir(parents=True, exist_ok=True)
            (target / f"{number:04}.png").write_bytes(picture(source, number % CLASSES))
