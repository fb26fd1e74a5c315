"""All ranks refuse data that cannot be used, naming the file and a remedy, with the documented exit code."""

import pytest

from tests.integration.refusals import CONFIG, COUNT, IO, STARTERS, expect_refused, start, write_parts
from tests.support.idx_files import file_names, idx
from tests.support.launching import QUICKSTART

IMAGES, LABELS = file_names("train")


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


def spoil_checksum(path):
    content = bytearray(path.read_bytes())
    content[-8] ^= 1
    path.write_bytes(content)


def labels(count, value=None, at=0):
    """Labels 0 to 9 in turn, with `value` at index `at`."""
    data = bytearray(number % 10 for number in range(count))
    if value is not None:
        data[at] = value
    return idx([count], bytes(data))


# name: (what makes the folder; exit code; words of the message, first of them the file or place)
DATA = {
    "the folder is missing": (lambda f: None, IO, [f"{IMAGES.removesuffix('.gz')}[.gz]", "data.path"]),
    "a file is missing": (
        lambda f: (write_parts(f) / LABELS).unlink(),
        IO,
        [f"{LABELS.removesuffix('.gz')}[.gz]", "data.path"],
    ),
    "cut short": (lambda f: cut(write_parts(f) / LABELS, 0.6), IO, [LABELS, "fetch the file again"]),
    "empty": (lambda f: cut(write_parts(f) / IMAGES, 0), IO, [IMAGES, "fetch the file again"]),
    "wrong checksum": (lambda f: spoil_checksum(write_parts(f) / LABELS), IO, [LABELS, "fetch the file again"]),
    "not gzip": (
        lambda f: (write_parts(f) / IMAGES).write_bytes(b"<html>not found</html>"),
        CONFIG,
        [IMAGES, "not an IDX file", "check data.path"],
    ),
    "a folder": (lambda f: replace_by_folder(write_parts(f) / IMAGES), IO, [IMAGES]),
    "wrong magic": (
        lambda f: write_parts(f, train_labels=idx([COUNT], bytes(COUNT), magic=b"\0\0\x0d\x01")),
        CONFIG,
        [LABELS, "not an IDX file", "check data.path"],
    ),
    "labels in place of images": (
        lambda f: write_parts(f, train_images=labels(COUNT)),
        CONFIG,
        [IMAGES, "not an IDX file", "3 dimensions"],
    ),
    "shorter than it says": (
        lambda f: write_parts(f, train_labels=labels(COUNT)[:-1]),
        IO,
        [LABELS, "ends before its header says", "fetch the file again"],
    ),
    "longer than it says": (
        lambda f: write_parts(f, train_labels=labels(COUNT) + b"\0"),
        CONFIG,
        [LABELS, "longer than its header says", "fetch the file again"],
    ),
    "an impossible size": (
        lambda f: write_parts(f, train_images=idx([2**32 - 1] * 3, b"")),
        CONFIG,
        [IMAGES, "impossible size"],
    ),
    "a training label too large": (
        lambda f: write_parts(f, train_labels=labels(COUNT, 11, at=7)),
        CONFIG,
        ["label 11 is out of range", "training set", "sample 7", "check the label file"],
    ),
    "a test label too large": (
        lambda f: write_parts(f, test_labels=labels(COUNT, 10, at=9)),
        CONFIG,
        ["label 10 is out of range", "test set", "sample 9", "check the label file"],
    ),
    "fewer labels than images": (
        lambda f: write_parts(f, train_labels=labels(COUNT - 1)),
        CONFIG,
        [LABELS, f"{COUNT} images but {COUNT - 1} labels", "fetch both again"],
    ),
    "test images of another size": (
        lambda f: write_parts(f, test_images=idx([COUNT, 20, 20], bytes(COUNT * 400))),
        CONFIG,
        ["training and test images differ in size", "fetch it again"],
    ),
}


def replace_by_folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("starter", STARTERS)
@pytest.mark.parametrize("name", DATA)
def test_data_that_cannot_be_used_is_refused_with_its_file_and_a_remedy(tmp_path, mlp, starter, name):
    make, exit_code, words = DATA[name]
    make(tmp_path / "data")
    settings = mlp | {"data.path": str(tmp_path / "data"), "training.max_steps": 1}
    outcome = start(starter, QUICKSTART, tmp_path / "run", settings)
    expect_refused(outcome, exit_code, words)
    assert str(tmp_path / "data") in outcome.stderr


@pytest.mark.parametrize("starter", STARTERS)
def test_a_batch_larger_than_the_data_set_is_refused(tmp_path, mlp, starter):
    """Only the ranks can notice, since the configuration does not say how many samples there are."""
    settings = mlp | {"data.path": str(write_parts(tmp_path / "data")), "training.batch_size": 512}
    outcome = start(starter, QUICKSTART, tmp_path / "run", settings)
    expect_refused(outcome, CONFIG, [str(COUNT), "training.batch_size"])


@pytest.mark.parametrize("starter", STARTERS)
def test_a_mean_for_other_channels_than_the_images_have_is_refused(tmp_path, mlp, starter):
    settings = mlp | {"data.mean": [0.1, 0.2, 0.3], "data.std": [1, 1, 1]}
    expect_refused(
        start(starter, QUICKSTART, tmp_path / "run", settings),
        CONFIG,
        ["data.mean has 3 numbers", "1 channels", "one number per channel"],
    )
