"""`lockstep verify`: recomputed parts of a run are equal, and any change to the run is found."""

import json
import shutil

import pytest
from safetensors.numpy import load_file

from tests.support.checkpoint_hashes import array_hash, reseal, write_sealed
from tests.support.idx_files import first_images, write_folder
from tests.support.launching import LOCKSTEP, checkpoints_of, run, train

STEPS, EVERY = 8, 2
ARRAYS = ("weights", "momentum", "ema")  # of the quickstart, in the order of the state
LAYERS = [f"{layer}.{kind}" for layer in (1, 3) for kind in ("weight", "bias")]


@pytest.fixture(scope="module")
def settings(mlp):
    """Five steps are an epoch, so that evaluations happen in the middle and at the end."""
    return mlp | {
        "checkpoint.every_steps": EVERY,
        "checkpoint.keep": 9,
        "data.train_samples": 1280,
        "data.test_samples": 200,
        "training.max_steps": STEPS,
    }


@pytest.fixture(scope="module")
def finished(settings, tmp_path_factory):
    output = tmp_path_factory.mktemp("finished") / "run"
    train(output, 2, settings)
    assert checkpoints_of(output) == [f"step-{step:08}" for step in (2, 4, 5, 6, 8)]
    return output


@pytest.fixture
def output(finished, tmp_path):
    """A copy of the finished run, to be changed."""
    return shutil.copytree(finished, tmp_path / "run")


def verify(output, *options, ranks=1):
    return run([LOCKSTEP, "verify", output, "--ranks", ranks, *options])


def segments_of(outcome):
    return [event for event in outcome.events if event["event"] == "segment"]


def files_of(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def checkpoint(output, step):
    return output / "checkpoint" / f"step-{step:08}"


def first_differences(outcome):
    """{last step of a segment: (step, key)} of the segments that are not equal."""
    assert outcome.exit_code == 4, outcome.output
    assert "is not what its plan computes" in outcome.stderr, outcome.output
    return {
        event["last_step"]: (event["first"]["step"], event["first"]["key"])
        for event in segments_of(outcome)
        if not event["equal"]
    }


@pytest.mark.parametrize("ranks", [1, 3])
def test_all_of_a_sound_run_is_equal_on_any_number_of_ranks_and_nothing_is_written(finished, ranks):
    before = files_of(finished)
    outcome = verify(finished, "--segments", "9", "--from-start", ranks=ranks)
    assert outcome.exit_code == 0, outcome.output
    spans = [(event["first_step"], event["last_step"]) for event in segments_of(outcome)]
    assert spans == [(1, 2), (3, 4), (5, 5), (6, 6), (7, 8), (9, 8)]
    assert all(event["equal"] for event in segments_of(outcome))
    assert sum(event["lines"] for event in segments_of(outcome)) == STEPS + 2  # and two evaluations
    assert outcome.event("verified") == {"event": "verified", "run": str(finished), "segments": 6, "unequal": 0}
    assert files_of(finished) == before


def test_the_seed_chooses_the_segments(finished):
    def chosen(*options):
        outcome = verify(finished, "--segments", "1", *options)
        assert outcome.exit_code == 0, outcome.output
        return segments_of(outcome)[0]["last_step"]

    by_seed = {seed: chosen("--seed", seed) for seed in (0, 1, 2)}
    assert chosen() == by_seed[0]  # the run's own seed
    assert len(set(by_seed.values())) > 1


def change_metric(output, step, key, change):
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    for line in lines:
        if line["step"] == step and key in line:
            line[key] = change(line[key])
    (output / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("key", ["loss", "gradient_norm", "train_accuracy", "learning_rate"])
def test_a_changed_metric_is_found_to_the_last_bit(output, key):
    change_metric(output, 7, key, lambda value: value * (1 + 2**-50))
    assert first_differences(verify(output, "--segments", "9")) == {8: (7, key)}


def test_a_changed_evaluation_and_a_changed_result_are_found(output):
    change_metric(output, 5, "test_accuracy", lambda value: value + 0.005)
    path = output / "result.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"test_accuracy": 0.99}))
    found = first_differences(verify(output, "--segments", "9"))
    assert found == {5: (5, "test_accuracy"), 8: (8, "test_accuracy")}


def test_a_line_that_is_missing_and_one_too_many_are_found(output):
    lines = (output / "metrics.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if json.loads(line)["step"] != 4]
    (output / "metrics.jsonl").write_text("".join([*kept, lines[-2]]))
    assert first_differences(verify(output, "--segments", "9")) == {4: (4, "metrics.jsonl"), 8: (8, "metrics.jsonl")}


def test_a_changed_step_is_found_though_its_checkpoint_verifies(output):
    """One weight of step 4 changes a little, and all hashes with it: the steps before and after it no longer match."""
    folder = checkpoint(output, 4)
    tensors = load_file(folder / "weights.safetensors")
    tensors["1.weight"][3, 300] += 1e-3
    content = bytearray((folder / "weights.safetensors").read_bytes())
    begin = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:begin])
    first, last = header["1.weight"]["data_offsets"]
    content[begin + first : begin + last] = tensors["1.weight"].tobytes()
    (folder / "weights.safetensors").write_bytes(content)
    reseal(folder / "manifest.json", ARRAYS, weights=array_hash([tensors[name] for name in LAYERS]))
    found = first_differences(verify(output, "--segments", "9", ranks=2))
    assert found == {4: (4, "arrays.weights"), 5: (5, "loss")}


def test_a_damaged_checkpoint_is_named(output):
    path = checkpoint(output, 6) / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    outcome = verify(output, "--segments", "9")
    assert outcome.exit_code == 4, outcome.output
    assert "step-00000006 is damaged" in outcome.stderr, outcome.output


def test_changed_exports_are_found(output):
    path = output / "weights.safetensors"
    tensors = load_file(path)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    assert load_file(path).keys() == tensors.keys()
    assert first_differences(verify(output, "--segments", "0")) == {8: (8, "weights.safetensors")}


@pytest.fixture
def on_own_data(settings, tmp_path):
    """A short run on its own data, which may be changed, and a function that changes one pixel."""
    train_part, test_part = first_images("train", 1280), first_images("t10k", 100)
    data = write_folder(tmp_path / "data", train_part, test_part)
    output = tmp_path / "run"
    train(output, 2, settings | {"data.path": str(data), "training.max_steps": 4})

    def change_a_pixel():
        pixels = bytearray(train_part.pixels)
        pixels[200_000] ^= 0x40
        write_folder(data, train_part._replace(pixels=bytes(pixels)), test_part)

    return output, change_a_pixel


def test_a_changed_datum_is_found(on_own_data):
    output, change_a_pixel = on_own_data
    change_a_pixel()
    outcome = verify(output)
    assert outcome.exit_code == 4, outcome.output
    assert "the data in" in outcome.stderr and "restore the data" in outcome.stderr, outcome.output


def test_a_changed_datum_is_found_though_the_manifests_have_its_hash(on_own_data, settings, tmp_path):
    output, change_a_pixel = on_own_data
    change_a_pixel()
    other = settings | {"data.path": str(tmp_path / "data"), "training.max_steps": 1}
    train(tmp_path / "other", 1, other)
    new_hash = json.loads((tmp_path / "other" / "result.json").read_text())["data_hash"]
    for path in (output / "checkpoint").glob("*/manifest.json"):
        write_sealed(path, json.loads(path.read_text()) | {"data_hash": new_hash})
    assert set(first_differences(verify(output, "--segments", "9", "--from-start"))) & {2, 4}


def test_changed_settings_are_found(output):
    plan = json.loads((output / "plan.json").read_text())
    plan["optimizer"]["momentum"] = 0.8
    (output / "plan.json").write_text(json.dumps(plan))
    found = first_differences(verify(output, "--segments", "1"))
    assert {key for _, key in found.values()} == {"plan.json"}


def test_a_run_that_has_grown_is_equal_before_and_after(settings, tmp_path):
    """From the resume on, its schedule is that of the longer run."""
    epochs = settings | {"training.max_steps": 0, "training.epochs": 1, "schedule.name": "cosine"}
    train(tmp_path / "run", 2, epochs)
    train(tmp_path / "run", 1, epochs | {"training.epochs": 2})
    outcome = verify(tmp_path / "run", "--segments", "9", "--from-start", ranks=2)
    assert outcome.exit_code == 0, outcome.output
    assert [event["last_step"] for event in segments_of(outcome)] == [2, 4, 5, 6, 8, 10, 10]


@pytest.mark.parametrize(
    "features",
    [
        {
            "averaging.use_swa": True,
            "averaging.swa_start_epoch": 0,
            "training.early_stopping": True,
            "training.early_stopping_patience": 2,
            "training.early_stopping_min_delta": 0.9,
        },
        {
            "optimizer.name": "sophia",
            "optimizer.learning_rate": 1e-3,
            "optimizer.sophia_every_steps": 3,
            "optimizer.nesterov": False,
            "model.dropout": 0.3,
        },
        {"precision.mixed_precision": "fp16", "training.micro_batch_size": 16},
    ],
    ids=["swa and early stopping", "sophia and dropout", "fp16"],
)
def test_runs_with_state_of_all_kinds_are_equal(settings, tmp_path, features):
    train(tmp_path / "run", 2, settings | {"training.max_steps": 20, "checkpoint.every_steps": 6} | features)
    outcome = verify(tmp_path / "run", "--segments", "9", "--from-start", ranks=3)
    assert outcome.exit_code == 0, outcome.output


def test_a_resnet_with_batch_norm_is_equal(resnet, tmp_path):
    train(tmp_path / "run", 2, resnet | {"training.max_steps": 3, "checkpoint.every_steps": 1})
    outcome = verify(tmp_path / "run", ranks=1)
    assert outcome.exit_code == 0, outcome.output


def test_where_there_is_nothing_to_compare_it_says_what_to_do(settings, tmp_path):
    output = tmp_path / "run"
    train(output, 1, settings | {"checkpoint.every_steps": 0, "training.max_steps": 2})
    (output / "result.json").unlink()
    outcome = verify(output)
    assert outcome.exit_code == 2 and "--from-start" in outcome.stderr, outcome.output
    outcome = verify(output, "--from-start")
    assert outcome.exit_code == 0 and len(segments_of(outcome)) == 1, outcome.output


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    outcome = verify(tmp_path)
    assert outcome.exit_code == 2 and "is not a run folder" in outcome.stderr, outcome.output
