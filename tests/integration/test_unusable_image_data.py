"""Image data of which some or all cannot be used: the message names what is wrong, and the rest is used if asked
for."""

import shutil

import pytest

from tests.integration.image_runs import CONFIG, IO, SETTINGS, flip, pack, small, state_of, trained
from tests.support.image_files import encoded, picture, tree, write_cifar10, write_folder, write_tar
from tests.support.launching import LOCKSTEP, run, train, train_command


def test_damaged_images_are_refused_by_name_and_reason(tmp_path):
    good = encoded(picture(5))
    folder = write_folder(
        tmp_path / "data",
        small()
        | {
            "train/cat/0001.jpg": good[: len(good) * 2 // 3],
            "train/dog/0002.jpg": b"<html>",
            "test/bird/0000.jpg": b"",
            "train/dog/0004.jpg": encoded(picture(9), "png")[:-60],
        },
    )
    for ranks in (1, 3):
        outcome = run(train_command(tmp_path / "run", ranks, SETTINGS | {"data.path": str(folder)}))
        assert outcome.exit_code == IO, outcome.output
        [line] = [line for line in outcome.stderr.splitlines() if "4 of 108 images are damaged" in line]
        for words in (
            f"{folder}/train/cat/0001.jpg (JPEG: Premature end of JPEG file)",
            "train/dog/0002.jpg (it is neither JPEG nor PNG)",
            "test/bird/0000.jpg (it is empty)",
            "train/dog/0004.jpg (PNG: ",
            'data.damaged_images = "skip"',
        ):
            assert words in line


def test_damaged_images_are_skipped_where_asked_and_each_is_named(tmp_path):
    good = encoded(picture(5))
    damaged = {"train/cat/0001.jpg": good[: len(good) // 2], "train/dog/0002.jpg": b"<html>", "test/bird/0000.jpg": b""}
    folder = write_folder(tmp_path / "data", small() | damaged)
    settings = SETTINGS | {"data.path": str(folder), "data.damaged_images": "skip"}
    for ranks in (1, 3):
        outcome = train(tmp_path / f"run{ranks}", ranks, settings)
        for name in damaged:
            assert f"left out {folder}/{name} (" in outcome.stderr
        assert "3 of 108 images are damaged and left out" in outcome.stderr
    packed = pack(folder, tmp_path / "data.pack", "--set", "data.damaged_images=skip")
    assert "3 of 108 images are damaged and left out" in packed.stderr
    assert packed.event("packed")["train"] == 94 and packed.event("packed")["test"] == 11
    states = {
        state_of(tmp_path / "run1")[:2],
        state_of(tmp_path / "run3")[:2],
        trained(tmp_path / "packed", tmp_path / "data.pack", ranks=2)[:2],
    }
    assert len(states) == 1


def test_packing_refuses_damaged_images_and_leaves_nothing(tmp_path):
    folder = write_folder(tmp_path / "data", small() | {"train/dog/0002.jpg": b"<html>"})
    outcome = run([LOCKSTEP, "pack", folder, tmp_path / "data.pack"])
    assert outcome.exit_code == IO and "train/dog/0002.jpg (it is neither JPEG nor PNG)" in outcome.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_grey_images_among_coloured_ones_become_coloured(tmp_path):
    mixed = small() | {
        "train/cat/0001.jpg": encoded(picture(3, grey=True)),
        "train/dog/0001.jpg": encoded(picture(4, grey=True), "png"),
    }
    folder = write_folder(tmp_path / "data", mixed)
    assert pack(folder, tmp_path / "a.pack").event("packed")["channels"] == 3
    grey = write_folder(tmp_path / "grey", tree(train=96, test=12, grey=True))
    assert pack(grey, tmp_path / "b.pack").event("packed")["channels"] == 1
    assert trained(tmp_path / "a", folder, ranks=2) == trained(tmp_path / "b", tmp_path / "a.pack")


def test_images_of_several_sizes_need_one_to_be_named(tmp_path):
    folder = write_folder(
        tmp_path / "data",
        small()
        | {
            "train/cat/0001.jpg": encoded(picture(3, 100, 61)),
            "train/dog/0003.png": encoded(picture(4, 20, 24), "png"),
        },
    )
    outcome = run(train_command(tmp_path / "run", 2, SETTINGS | {"data.path": str(folder)}))
    assert outcome.exit_code == CONFIG
    for words in ("differ in size", "data.image_size", "train/cat/0001.jpg", "61 x 100"):
        assert words in outcome.stderr
    pack(folder, tmp_path / "data.pack", "--set", "data.image_size=24")
    whole = trained(tmp_path / "a", folder, ranks=3, data__image_size=24, data__cache_gib=0)
    assert trained(tmp_path / "b", tmp_path / "data.pack") == whole


def test_nested_folders_belong_to_the_class_and_names_may_lie_about_the_kind(tmp_path):
    folder = write_folder(
        tmp_path / "data",
        small()
        | {
            "train/cat/more/of/them/1.JPEG": encoded(picture(3)),
            "train/dog/0001.jpg": encoded(picture(4), "png"),
            "train/dog/notes.txt": b"not an image",
            "train/readme": b"",
        },
    )
    outcome = train(tmp_path / "run", 2, SETTINGS | {"data.path": str(folder)})
    assert "2 files of" in outcome.stderr and "train/dog/notes.txt" in outcome.stderr
    assert pack(folder, tmp_path / "data.pack").event("packed")["train"] == 97


def cut(path, share):
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])


# name: (what makes the data; exit code; words of the message)
UNUSABLE = {
    "nothing": (lambda p: None, IO, ["cannot find data.path", "train/CLASS/*.jpg", "tar"]),
    "an empty folder": (
        lambda p: p.mkdir(),
        CONFIG,
        ["found no images in data.path", "train/CLASS/*.jpg", "data_batch_1.bin"],
    ),
    "no test images": (
        lambda p: write_folder(p, {"train/a/1.jpg": encoded(picture(1))}),
        CONFIG,
        ["neither test/ nor val/"],
    ),
    "an empty part": (
        lambda p: [(p / "train").mkdir(parents=True), (p / "test").mkdir()],
        CONFIG,
        ["train/CLASS/*.jpg"],
    ),
    "an empty class": (
        lambda p: (write_folder(p, small()) / "train/ant").mkdir(),
        CONFIG,
        ["class ant", "has no images", "remove the folder"],
    ),
    "a class of the test set alone": (
        lambda p: write_folder(p, small() | {"test/ant/1.jpg": encoded(picture(1))}),
        CONFIG,
        ["class ant", "test alone"],
    ),
    "a text": (lambda p: p.write_text("hello"), CONFIG, ["neither a tar file"]),
    "a cut tar file": (lambda p: cut(write_tar(p, small()), 0.5), IO, [": cannot use", "fetch or write"]),
    "a cut packed file": (lambda p: cut(packed(p), 0.9), IO, ["cut short or damaged", "lockstep pack"]),
    "a packed file with a changed record": (lambda p: flip(packed(p), 300), IO, ["another hash", "lockstep pack"]),
    "cut CIFAR files": (
        lambda p: cut(write_cifar10(p) / "data_batch_3.bin", 0.99),
        IO,
        ["data_batch_3.bin", "3073 bytes"],
    ),
    "another size of IDX files": (
        lambda p: p.symlink_to("/usr/share/datasets/fashion-mnist"),
        CONFIG,
        ["data.image_size = 20"],
    ),
}
MORE = {"another size of IDX files": {"data.image_size": 20}}


def packed(path):
    folder = write_folder(path.parent / "source", small())
    pack(folder, path)
    shutil.rmtree(folder)
    return path


@pytest.mark.parametrize("name", UNUSABLE)
def test_data_that_cannot_be_used_is_refused_with_what_was_looked_for(tmp_path, name):
    make, code, words = UNUSABLE[name]
    make(tmp_path / "data")
    settings = SETTINGS | {"data.path": str(tmp_path / "data")} | MORE.get(name, {})
    outcome = run(train_command(tmp_path / "run", 2, settings))
    assert outcome.exit_code == code, outcome.output
    assert str(tmp_path / "data") in outcome.stderr
    for text in words:
        assert text in outcome.stderr, outcome.output
