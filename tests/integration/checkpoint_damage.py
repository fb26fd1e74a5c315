"""Ways to damage a file of a checkpoint, and texts that are no manifest."""

import os


def flip(path, position):
    """Inverts one bit of the byte at this relative position (0 to 1) of the file."""
    content = bytearray(path.read_bytes())
    content[int(position * len(content))] ^= 1
    path.write_bytes(content)


def cut(path, position):
    os.truncate(path, int(position * path.stat().st_size))


DAMAGE = {
    "flipped at its begin": lambda path: flip(path, 0),
    "flipped in its middle": lambda path: flip(path, 0.5),
    # In the optimiser's file this byte is padding.
    "flipped in its last byte but one": lambda path: flip(path, 1 - 1.5 / path.stat().st_size),
    "cut in the middle": lambda path: cut(path, 0.5),
    "empty": lambda path: cut(path, 0),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"more"),
    "gone": lambda path: path.unlink(),
}
NO_MANIFESTS = [
    "",
    "garbage",
    "[]",
    "null",
    "17",
    "{}",
    '{"manifest_hash": 1}',
    '{"step": "x"}',
    "\xff\xfe",
    "[" * 100000,
    '{"a":' + "[" * 100000 + "]" * 100000 + "}",
]
