"""Checkpoints: damage is detected and passed over, a full disk loses nothing, any number of ranks can resume from
them."""

import json
import shutil
import subprocess

import pytest
import torch
from safetensors.torch import load_file

from tests.integration.checkpoint_damage import DAMAGE, NO_MANIFESTS, cut, flip
from tests.support.checkpoint_hashes import manifest_hash
from tests.support.idx_files import SIDE, first_images
from tests.support.launching import checkpoints_of, metrics_of, result_of, run, train, train_command
from tests.support.skipping import cannot_run

SAVED, LAST = 4, 8  # last step of the run that gets damaged, and of the resumed run
# Each file, and what a message may call its content instead.
FILES = {
    "manifest.json": "manifest",
    "weights.safetensors": "weights",
    "optimizer.safetensors": "momentum",
    "ema.safetensors": "ema",
}


@pytest.fixture(scope="module")
def settings(mlp):
    """Ten steps are an epoch, so that all of these runs end within the first."""
    return mlp | {
        "checkpoint.every_steps": 2,
        "data.train_samples": 2560,
        "data.test_samples": 200,
        "training.max_steps": LAST,
    }


@pytest.fixture(scope="module")
def state_hash(settings, tmp_path_factory):
    """The state hash of the run that was never interrupted."""
    output = tmp_path_factory.mktemp("undisturbed") / "run"
    train(output, 1, settings)
    return result_of(output)["state_hash"]


@pytest.fixture(scope="module")
def stopped(settings, tmp_path_factory):
    """A run with checkpoints of steps 2 and 4."""
    output = tmp_path_factory.mktemp("stopped") / "run"
    train(output, 2, settings | {"training.max_steps": SAVED})
    assert checkpoints_of(output) == ["step-00000002", "step-00000004"]
    return output


@pytest.fixture
def output(stopped, tmp_path):
    """A copy of the stopped run, to be damaged."""
    return shutil.copytree(stopped, tmp_path / "run")


def newest(output, file):
    return output / "checkpoint" / f"step-{SAVED:08}" / file


def expect_goes_on(output, ranks, settings, state_hash, first):
    """The run resumes after step `first` and reaches the expected state. Returns its standard error."""
    outcome = train(output, ranks, settings)
    assert outcome.event("start")["step"] == first, outcome.output
    assert result_of(output)["state_hash"] == state_hash
    return outcome.stderr


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(output, settings, state_hash, file, damage):
    DAMAGE[damage](newest(output, file))
    said = expect_goes_on(output, 2, settings, state_hash, first=2)
    assert "warning" in said and "passing over checkpoint step-00000004" in said, said
    assert file in said or f"the hash of its {FILES[file]}" in said, said


@pytest.mark.parametrize("manifest", NO_MANIFESTS, ids=lambda text: repr(text[:20]))
def test_a_manifest_that_is_none_is_passed_over(output, settings, state_hash, manifest):
    newest(output, "manifest.json").write_text(manifest, encoding="latin-1")
    said = expect_goes_on(output, 1, settings, state_hash, first=2)
    assert "passing over checkpoint step-00000004" in said, said


def test_a_manifest_of_another_format_is_passed_over_and_its_version_named(output, settings, state_hash):
    """Its hash of itself is valid, as in a manifest that a later version writes."""
    path = newest(output, "manifest.json")
    manifest = json.loads(path.read_text())
    assert manifest["manifest_hash"] == manifest_hash(manifest)
    manifest["format"] = 2
    path.write_text(json.dumps(manifest | {"manifest_hash": manifest_hash(manifest)}))
    said = expect_goes_on(output, 2, settings, state_hash, first=2)
    assert "format 2" in said and "reads format 1" in said, said


def test_a_manifest_that_claims_other_hashes_is_passed_over(output, settings, state_hash):
    manifest = json.loads(newest(output, "manifest.json").read_text())
    manifest["arrays"]["weights"] = "0" * 32
    newest(output, "manifest.json").write_text(json.dumps(manifest))
    expect_goes_on(output, 2, settings, state_hash, first=2)


def test_a_checkpoint_of_another_step_under_this_name_is_no_checkpoint_of_this_step(output, settings, state_hash):
    shutil.rmtree(newest(output, "."))
    shutil.copytree(output / "checkpoint" / "step-00000002", newest(output, "."))
    outcome = train(output, 2, settings)
    assert outcome.event("start")["step"] == 2
    assert result_of(output)["state_hash"] == state_hash


def test_the_damaged_checkpoint_is_set_aside_and_never_used_again(output, settings, state_hash):
    flip(newest(output, "weights.safetensors"), 0.5)
    expect_goes_on(output, 2, settings, state_hash, first=2)
    assert checkpoints_of(output)[-2:] == ["step-00000006", "step-00000008"]
    shutil.rmtree(output / "checkpoint" / "step-00000008")
    (output / "result.json").unlink()
    expect_goes_on(output, 1, settings, state_hash, first=6)


def test_when_all_checkpoints_are_damaged_the_run_refuses_to_start_over(output, settings):
    flip(newest(output, "weights.safetensors"), 0.5)
    (output / "checkpoint" / "step-00000002" / "optimizer.safetensors").unlink()
    before = checkpoints_of(output)
    outcome = run(train_command(output, 2, settings))
    assert outcome.exit_code == 4, outcome.output
    for words in ("step-00000004", "step-00000002", "no checkpoint in", "verifies", "--fresh"):
        assert words in outcome.stderr, outcome.output
    assert checkpoints_of(output) == before


@pytest.mark.parametrize("keep", [2, 3])
def test_as_many_generations_stay_as_are_asked_for(settings, tmp_path, keep):
    train(tmp_path / "run", 2, settings | {"checkpoint.keep": keep})
    assert checkpoints_of(tmp_path / "run") == [f"step-{step:08}" for step in (4, 6, 8)[-keep:]]


def test_what_a_killed_save_left_behind_is_never_read_and_removed_by_the_next(output, settings, state_hash):
    folder = output / "checkpoint"
    for name in ("step-00000003.writing", "step-00000005.writing", "step-00000002.replaced.writing"):
        shutil.copytree(folder / "step-00000002", folder / name)
        cut(folder / name / "weights.safetensors", 0.3)
    expect_goes_on(output, 2, settings, state_hash, first=SAVED)
    assert checkpoints_of(output) == ["step-00000006", "step-00000008"]


RANKS = (1, 2, 3, 5)


@pytest.fixture(scope="module")
def stopped_on(settings, tmp_path_factory):
    """{ranks: run folder after step 5 of the 10 steps of its epoch}"""
    outputs = {ranks: tmp_path_factory.mktemp("stopped-on") / "run" for ranks in RANKS}
    for ranks, output in outputs.items():
        train(output, ranks, settings | {"training.max_steps": 5})
    return outputs


@pytest.mark.parametrize("after", RANKS)
@pytest.mark.parametrize("before", RANKS)
def test_a_run_goes_on_within_an_epoch_on_any_number_of_ranks(
    stopped_on, settings, state_hash, tmp_path, before, after
):
    output = shutil.copytree(stopped_on[before], tmp_path / "run")
    expect_goes_on(output, after, settings, state_hash, first=5)
    assert {line["epoch"] for line in metrics_of(output)} == {1}


def bytes_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def small_disk(root, tmp_path):
    """A file system with room for one checkpoint but not two, and a function that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=320k", "tmpfs", folder]
    mounted = subprocess.run(mount, capture_output=True, text=True)
    if mounted.returncode != 0:
        cannot_run(f"a small file system cannot be mounted here ({mounted.stderr.strip()})")
    try:
        yield folder, lambda: subprocess.run(["mount", "-o", "remount,size=16m", folder], check=True)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_disk_that_fills_up_ends_the_run_with_a_remedy_and_costs_no_checkpoint(small_disk, settings, state_hash):
    disk, free_some_space = small_disk
    outcome = run(train_command(disk / "run", 2, settings))
    assert outcome.exit_code == 4, outcome.output
    for words in ("No space left on device", "step-00000004", "free some space", "--output"):
        assert words in outcome.stderr, outcome.output
    assert checkpoints_of(disk / "run") == ["step-00000002"]
    whole = bytes_of(disk / "run" / "checkpoint" / "step-00000002")
    assert run(train_command(disk / "run", 3, settings)).exit_code == 4
    assert bytes_of(disk / "run" / "checkpoint" / "step-00000002") == whole
    free_some_space()
    expect_goes_on(disk / "run", 3, settings, state_hash, first=2)


def test_a_disk_without_a_free_byte_is_said_at_once(small_disk, settings, state_hash):
    disk, free_some_space = small_disk
    run(train_command(disk / "run", 2, settings))
    with pytest.raises(OSError), (disk / "ballast").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
    outcome = run(train_command(disk / "run", 2, settings))
    assert outcome.exit_code == 4, outcome.output
    assert "No space left on device" in outcome.stderr and "free some space" in outcome.stderr
    (disk / "ballast").unlink()
    free_some_space()
    expect_goes_on(disk / "run", 2, settings, state_hash, first=2)


def batch_norm(name):
    return {f"{name}.{entry}" for entry in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")}


def test_safetensors_reads_the_weights_of_a_resnet_under_their_usual_names(resnet, tmp_path):
    train(tmp_path / "run", 2, resnet | {"training.max_steps": 2})
    folder = tmp_path / "run" / "checkpoint" / "step-00000002"
    names = {"conv1.weight", "fc.weight", "fc.bias"} | batch_norm("bn1")
    for block in (f"layer{stage}.{index}" for stage in (1, 2, 3) for index in (0, 1, 2)):
        names |= {f"{block}.conv1.weight", f"{block}.conv2.weight"}
        names |= batch_norm(f"{block}.bn1") | batch_norm(f"{block}.bn2")
    for file in ("weights", "ema"):
        tensors = load_file(folder / f"{file}.safetensors")
        assert tensors.keys() == names
        assert tensors["layer3.0.conv1.weight"].shape == (64, 32, 3, 3)
        assert all(torch.isfinite(tensor.double()).all() for tensor in tensors.values())
        assert {int(value) for name, value in tensors.items() if "num_batches" in name} == {2}
        assert (
            sum(
                tensor.numel()
                for name, tensor in tensors.items()
                if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
            )
            == 269_434
        )
    assert set(load_file(folder / "optimizer.safetensors")) == {"momentum"}
    flip(folder / "weights.safetensors", 1 - 7.5 / (folder / "weights.safetensors").stat().st_size)  # of a counter
    outcome = run(train_command(tmp_path / "run", 2, resnet | {"training.max_steps": 3}))
    assert outcome.exit_code == 4, outcome.output
    assert "num_batches_tracked is 3 after step 2" in outcome.stderr, outcome.output


@pytest.mark.parametrize("file, accuracy", [("weights", "test_accuracy"), ("ema", "ema_test_accuracy")])
def test_torch_computes_the_reported_accuracy_from_the_weights(stopped, settings, file, accuracy):
    train_part = first_images("train", settings["data.train_samples"])
    test_part = first_images("t10k", settings["data.test_samples"])
    pixels = torch.frombuffer(bytearray(train_part.pixels), dtype=torch.uint8).double() / 255
    images = torch.frombuffer(bytearray(test_part.pixels), dtype=torch.uint8).double().view(-1, SIDE * SIDE) / 255
    model = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(SIDE * SIDE, 16), torch.nn.ReLU(), torch.nn.Linear(16, 10)
    ).double()
    model.load_state_dict(load_file(newest(stopped, f"{file}.safetensors")))
    with torch.no_grad():
        answers = model((images - pixels.mean()) / pixels.std(correction=0)).argmax(1)
    correct = (answers == torch.tensor(list(test_part.labels))).double().mean().item()
    assert correct == pytest.approx(result_of(stopped)[accuracy], abs=1e-9)
