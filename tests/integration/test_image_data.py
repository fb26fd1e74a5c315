"""Runs on image folders, tar files, packed files and CIFAR files end in the same state, however the images are stored
and however many ranks and threads read them; and packing."""

import os
import shutil
import signal

import pytest
from PIL import Image

from tests.integration.image_runs import CONFIG, IO, SETTINGS, flip, pack, state_of, trained
from tests.support.image_files import encoded, picture, tree, write_cifar10, write_folder, write_tar
from tests.support.launching import LOCKSTEP, Started, run, train, train_command

COLOURS = {
    "augmentation.crop_padding": 4,
    "augmentation.flip_probability": 0.5,
    "augmentation.hue": 0.1,
    "augmentation.saturation": 0.4,
    "augmentation.brightness": 0.2,
    "augmentation.rand_augment": True,
    "augmentation.mixup_alpha": 0.2,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The same images as a folder, two tar files and two packed files."""
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
