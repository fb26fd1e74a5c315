"""Runs on image data, shared by the tests of image data."""

from tests.support.image_files import tree
from tests.support.launching import LOCKSTEP, metrics_of, result_of, run, train

CONFIG, IO = 2, 4
SETTINGS = {
    "model.name": "mlp",
    "model.hidden_sizes": [16],
    "training.batch_size": 64,
    "training.micro_batch_size": 8,
    "training.gradient_accumulation_steps": 1,
    "training.epochs": 2,
    "training.max_steps": 7,
    "training.log_every_steps": 1,
}


def pack(source, target, *options):
    outcome = run([LOCKSTEP, "pack", source, target, *options])
    assert outcome.exit_code == 0, outcome.output
    return outcome


def state_of(output):
    result = result_of(output)
    return result["state_hash"], result["data_hash"], [line["loss"] for line in metrics_of(output) if "loss" in line]


def trained(output, data, ranks=1, **settings):
    train(
        output,
        ranks,
        SETTINGS | {"data.path": str(data)} | {key.replace("__", "."): value for key, value in settings.items()},
    )
    return state_of(output)


def small():
    """{path: bytes} of a few images."""
    return tree(train=96, test=12)


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)
