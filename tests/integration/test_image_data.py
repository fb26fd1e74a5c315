"""Runs on image folders, tar files, packed and CIFAR files: one state whatever the images are stored in, however many
ranks and threads read them; and what cannot be used is named."""

import os
import shutil
import signal

import pytest
from PIL import Image

from tests.support.image_files import encoded, picture, tree, write_cifar10, write_folder, write_tar
from tests.support.launching import LOCKSTEP, Started, metrics_of, result_of, run, train, train_command

CONFIG, IO = 2, 4
COLOURS = {
    "augmentation.crop_padding": 4,
    "augmentation.flip_probability": 0.5,
    "augmentation.hue": 0.1,
    "augmentation.saturation": 0.4,
    "augmentation.brightness": 0.2,
    "augmentation.rand_augment": True,
    "augmentation.mixup_alpha": 0.2,
}
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


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The same images as a folder, two tar files and a packed file, and the state that a run on one rank ends with."""
    place = tmp_path_factory.mktemp("images")
    files = tree()
    write_folder(place / "folder", files)
    write_tar(place / "images.tar", files)
    write_tar(place / "below.tar", dict(reversed(files.items())), prefix="./data/")
    pack(place / "folder", place / "folder.pack")
    pack(place / "images.tar", place / "tar.pack")
    return place


@pytest.fixture(scope="module")
def expected(data, tmp_path_factory):
    output = tmp_path_factory.mktemp("expected") / "run"
    train(output, 1, SETTINGS | COLOURS | {"data.path": str(data / "folder"), "data.loader_threads": 0})
    return state_of(output)


@pytest.mark.parametrize("ranks", [1, 3])
@pytest.mark.parametrize("name", ["folder", "images.tar", "below.tar", "folder.pack"])
def test_a_folder_a_tar_file_and_a_packed_file_end_in_one_state(data, expected, tmp_path, name, ranks):
    train(tmp_path / "run", ranks, SETTINGS | COLOURS | {"data.path": str(data / name)})
    assert state_of(tmp_path / "run") == expected


@pytest.mark.parametrize(
    "settings",
    [
        {"data.loader_threads": 1},
        {"data.loader_threads": 4, "data.prefetch_micro_batches": 1},
        {"data.loader_threads": 4, "data.prefetch_micro_batches": 64},
    ],
    ids=str,
)
@pytest.mark.parametrize("cache", [0, 0.0003, 1])
def test_neither_threads_nor_memory_show_in_the_state(data, expected, tmp_path, settings, cache):
    train(
        tmp_path / "run",
        2,
        SETTINGS | COLOURS | settings | {"data.path": str(data / "images.tar"), "data.cache_gib": cache},
    )
    assert state_of(tmp_path / "run") == expected


def test_a_run_that_stops_goes_on_to_the_state_of_one_that_does_not(data, expected, tmp_path):
    settings = SETTINGS | COLOURS | {"data.path": str(data / "images.tar")}
    train(tmp_path / "run", 3, settings | {"training.max_steps": 3, "data.loader_threads": 2})
    train(tmp_path / "run", 2, settings | {"data.cache_gib": 0})
    assert state_of(tmp_path / "run") == expected


def test_an_estimate_of_the_curvature_takes_the_batch_twice_whatever_the_threads(data, tmp_path):
    states = [
        trained(
            tmp_path / str(threads),
            data / "folder.pack",
            optimizer__name="sophia",
            optimizer__sophia_every_steps=2,
            optimizer__learning_rate=1e-3,
            optimizer__nesterov=False,
            data__loader_threads=threads,
        )
        for threads in (0, 3)
    ]
    assert states[0] == states[1]


def test_packing_a_folder_and_its_tar_file_writes_the_same_bytes(data):
    assert (data / "folder.pack").read_bytes() == (data / "tar.pack").read_bytes()


def test_the_binary_cifar_files_and_their_pack_end_in_one_state(tmp_path):
    source = write_cifar10(tmp_path / "cifar")
    pack(source, tmp_path / "cifar.pack")
    assert trained(tmp_path / "a", source) == trained(tmp_path / "b", tmp_path / "cifar.pack", ranks=3)


def test_idx_files_and_their_pack_end_in_one_state(small_data, tmp_path):
    pack(small_data, tmp_path / "idx.pack")
    assert trained(tmp_path / "a", small_data) == trained(tmp_path / "b", tmp_path / "idx.pack", ranks=2)


def test_a_resumed_run_may_not_change_its_data(data, tmp_path):
    shutil.copytree(data / "folder", tmp_path / "folder")
    trained(tmp_path / "run", tmp_path / "folder", training__max_steps=2)
    (tmp_path / "folder/train/cat/0003.jpg").write_bytes(encoded(picture(1)))
    outcome = run(train_command(tmp_path / "run", 2, SETTINGS | {"data.path": str(tmp_path / "folder")}))
    assert outcome.exit_code == CONFIG and "its hash has changed since the checkpoint" in outcome.stderr


def small():
    """{path: bytes} of few images."""
    return tree(train=96, test=12)


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


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 4
    path.write_bytes(content)


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


@pytest.mark.parametrize("threads", [0, 3])
@pytest.mark.parametrize("ranks", [1, 3])
def test_a_damaged_pixel_of_a_packed_file_ends_the_run_when_it_is_used(data, tmp_path, ranks, threads):
    path = shutil.copy(data / "folder.pack", tmp_path / "data.pack")
    for image in range(0, 300, 3):
        flip(path, path.stat().st_size - 1 - (379 - image) * 3072)
    outcome = run(
        train_command(tmp_path / "run", ranks, SETTINGS | {"data.path": str(path), "data.loader_threads": threads})
    )
    assert outcome.exit_code == IO, outcome.output
    assert "of " + str(path) + " is damaged (its pixels have another hash)" in outcome.stderr, outcome.output


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_packing_that_is_ended_leaves_nothing(tmp_path, number):
    write_folder(
        tmp_path / "data",
        {f"{part}/cat/0.png": encoded(Image.new("RGB", (3000, 2000)), "png") for part in ("train", "test")},
    )
    for copy in range(1, 300):
        os.link(tmp_path / "data/train/cat/0.png", tmp_path / f"data/train/cat/{copy}.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x").write_text("mine")
    with Started(
        [LOCKSTEP, "pack", tmp_path / "data", tmp_path / "out" / "x", "--set", "data.image_size=32"]
    ) as started:
        while not list((tmp_path / "out").glob("x.writing-*")):
            assert started.process.poll() is None, started.finish().output
        kills = number == signal.SIGKILL
        os.kill(started.named("lockstep-worker")[0] if kills else started.process.pid, number)
        outcome = started.finish()
    assert outcome.exit_code == 128 + number and "out/x is as it was" in outcome.stderr, outcome.output
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["mine"]


def test_packing_replaces_neither_its_source_nor_a_device(data, tmp_path):
    source = shutil.copy(data / "images.tar", tmp_path / "images.tar")
    os.mkfifo(tmp_path / "fifo")
    before = source.read_bytes()
    for target, words in ((source, "into itself"), (tmp_path / "fifo", "it is a FIFO"), (tmp_path, "it is a folder")):
        outcome = run([LOCKSTEP, "pack", source, target])
        assert outcome.exit_code == CONFIG and words in outcome.stderr, outcome.output
    assert source.read_bytes() == before and (tmp_path / "fifo").is_fifo()


@pytest.mark.parametrize("settings", [["training.epochs=3"], ["data.imagesize=3"], ["data.image_size=0"]])
def test_packing_takes_keys_of_data_alone(tmp_path, settings):
    outcome = run(
        [LOCKSTEP, "pack", tmp_path, tmp_path / "out", *(word for text in settings for word in ("--set", text))]
    )
    assert outcome.exit_code == CONFIG and settings[0].split("=")[0] in outcome.stderr


def test_packing_onto_a_file_leaves_it_as_it_is_until_the_end(data, tmp_path):
    (tmp_path / "out").write_text("mine")
    outcome = run([LOCKSTEP, "pack", tmp_path / "nothing", tmp_path / "out"])
    assert outcome.exit_code == IO and (tmp_path / "out").read_text() == "mine"
    pack(data / "folder", tmp_path / "out")
    assert (tmp_path / "out").read_bytes() == (data / "folder.pack").read_bytes()
    assert list(tmp_path.iterdir()) == [tmp_path / "out"]
