"""Interfaces to monitor a run: logs as JSON, Prometheus and TensorBoard."""

import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from datetime import datetime

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams import metadata as hparams

from tests.support.launching import Started, metrics_of, result_of, run, train, train_command
from tests.support.ports import reserved_port

SAMPLE = re.compile(r"(\w+)(?:\{(.*)\})? (\S+)")
LABEL = re.compile(r'(\w+)="([^"]*)"')


@pytest.fixture(scope="module")
def settings(mlp):
    return mlp | {"training.max_steps": 4, "data.train_samples": 1024}


@pytest.fixture
def port():
    with reserved_port() as port:
        yield port


def samples_at(port, token):
    """{(name, labels): value} of Prometheus' text format."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert answer.headers["Content-Type"].startswith("text/plain")
        lines = answer.read().decode().splitlines()
    typed = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE")}
    samples = {}
    for line in lines:
        if not line.startswith("#"):
            name, labels, value = SAMPLE.fullmatch(line).groups()
            assert name in typed or typed[re.sub("_(bucket|sum|count)$", "", name)] in ("histogram", "summary")
            samples[name, frozenset(LABEL.findall(labels or ""))] = float(value)
    return samples


def test_logs_are_one_json_object_a_line(settings, tmp_path):
    train(tmp_path, 2, settings | {"run.log_format": "json"})
    saved = [json.loads(line) for line in (tmp_path / "log/rank-0.log").read_text().splitlines()]
    assert [line["message"] for line in saved if line["message"].startswith("saved step 4, ")]
    for line in saved:
        assert set(line) == {"time", "level", "rank", "host", "message"}
        assert (line["rank"], line["host"]) == (0, socket.gethostname())
        datetime.fromisoformat(line["time"])


def test_errors_of_every_rank_are_in_its_json_log(settings, tmp_path):
    """The messages contain quotes."""
    wrong = settings | {"run.log_format": "json", "data.mean": [0.1, 0.2], "data.std": [1.0, 1.0]}
    assert run(train_command(tmp_path, 2, wrong)).exit_code == 2
    for rank in (0, 1):
        [line] = [json.loads(line) for line in (tmp_path / f"log/rank-{rank}.log").read_text().splitlines()]
        assert line["level"] == "error" and line["rank"] == rank
        assert 'give one number per channel, or "auto"' in line["message"]


def test_every_line_of_a_log_for_people_has_rank_and_host(settings, tmp_path):
    train(tmp_path, 2, settings)
    lines = (tmp_path / "log/rank-0.log").read_text().splitlines()
    assert lines and all(f" rank 0@{socket.gethostname()} " in line for line in lines)


TOKEN = "tell-nobody-of-this"


def test_prometheus_reads_the_run_while_it_goes_on(settings, tmp_path, port):
    (tmp_path / "token").write_text(TOKEN + "\n")
    long = settings | {
        "training.max_steps": 0,
        "training.epochs": 1000,
        "averaging.model_ema": True,
        "run.prometheus_port": port,
        "run.prometheus_token_file": str(tmp_path / "token"),
    }
    with Started(train_command(tmp_path / "mine", 2, long)) as started:
        started.wait_for_event("evaluation")
        idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(8)]  # clients that never send a request
        event = started.wait_for_event("checkpoint")
        [connection.close() for connection in idle]
        samples = samples_at(port, TOKEN)
        with pytest.raises(urllib.error.HTTPError, match="401"):
            samples_at(port, "another")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port))  # would succeed if the server listened on all addresses
        os.kill(started.process_of_rank(0), signal.SIGTERM)
        outcome = started.finish()
        assert outcome.exit_code == 128 + signal.SIGTERM
    assert {dict(labels)["run"] for _, labels in samples} == {"mine"}
    samples = {(name, labels - {("run", "mine")}): value for (name, labels), value in samples.items()}
    said = [
        path.read_text()
        for path in (tmp_path / "mine").rglob("*")
        if path.suffix in (".json", ".jsonl", ".toml", ".log")
    ]
    assert len(said) > 5 and not any(TOKEN in text for text in [*said, outcome.stdout, outcome.stderr])
    plain = {name: value for (name, labels), value in samples.items() if not labels}
    assert plain["lockstep_step"] >= event["step"] and plain["lockstep_checkpoint_step"] >= event["step"]
    assert plain["lockstep_world_size"] == 2 and plain["lockstep_epoch"] >= 1
    assert {
        "lockstep_loss",
        "lockstep_learning_rate",
        "lockstep_images_per_second",
        "lockstep_gradient_norm",
        "lockstep_skipped_steps",
        "lockstep_last_step",
        "lockstep_checkpoint_timestamp_seconds",
    } <= plain.keys()
    assert plain["lockstep_step_duration_seconds_count"] >= event["step"]
    for rank in ("0", "1"):
        assert samples["lockstep_phase_seconds", frozenset([("rank", rank), ("phase", "backward")])] > 0
    for weights in ("raw", "ema"):
        assert 0 <= samples["lockstep_test_accuracy", frozenset([("weights", weights)])] <= 1
    [build] = [dict(labels)["build"] for name, labels in samples if name == "lockstep_build_info"]
    assert build.startswith("lockstep ")


def test_a_port_that_is_taken_is_a_warning(settings, tmp_path):
    with socket.create_server(("0.0.0.0", 0)) as taken:
        outcome = train(tmp_path / "taken", 1, settings | {"run.prometheus_port": taken.getsockname()[1]})
        assert f"cannot listen on port {taken.getsockname()[1]}" in outcome.stderr
    train(tmp_path / "none", 1, settings)
    assert result_of(tmp_path / "taken")["state_hash"] == result_of(tmp_path / "none")["state_hash"]


def test_a_token_that_cannot_be_read_ends_the_start_and_nothing_is_served_without_it(settings, tmp_path, port):
    for content, words in ((None, "cannot read"), ("\n", "holds no token"), ("two words\n", "holds no token")):
        if content is not None:
            (tmp_path / "token").write_text(content)
        outcome = run(
            train_command(
                tmp_path / "run",
                1,
                settings | {"run.prometheus_port": port, "run.prometheus_token_file": str(tmp_path / "token")},
            )
        )
        assert outcome.exit_code == 2 and words in outcome.stderr and str(tmp_path / "token") in outcome.stderr, (
            outcome.output
        )


TAGS = {
    "loss/train": "loss",
    "accuracy/train": "train_accuracy",
    "optimizer/learning_rate": "learning_rate",
    "optimizer/gradient_norm": "gradient_norm",
    "speed/images_per_second": "images_per_second",
    "time/backward_ms": "backward_ms",
    "accuracy/test": "test_accuracy",
    "accuracy/test_ema": "ema_test_accuracy",
}


def test_tensorboard_shows_every_step_once_across_a_kill_and_a_resume(settings, tmp_path):
    settings = settings | {
        "run.tensorboard": True,
        "averaging.model_ema": True,
        "training.max_steps": 100,
        "training.epochs": 25,
        "checkpoint.every_steps": 5,
        "checkpoint.every_epochs": 0,
    }
    output = tmp_path / "runs" / "mine"
    with Started(train_command(output, 2, settings)) as started:
        started.wait_for_event("start")
        victim = started.process_of_rank(1)
        started.wait_for_event("checkpoint", step=10)  # written while the next steps run
        started.wait_for_event("step")
        os.kill(victim, signal.SIGKILL)
        started.finish()
    train(output, 3, settings)
    assert len(list(output.glob("events.out.tfevents.*"))) == 2
    runs = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "runs"))
    assert runs.Reload().Runs().keys() == {"mine"}
    events = EventAccumulator(str(output))
    events.Reload()
    expect_settings_once(events)
    groups = [tag.split("/")[0] for tag in sorted(events.Tags()["scalars"])]
    assert list(dict.fromkeys(groups)) == ["accuracy", "loss", "optimizer", "progress", "speed", "time"]
    for tag, column in TAGS.items():
        lines = [line for line in metrics_of(output) if column in line]
        shown = [(event.step, event.value) for event in events.Scalars(tag)]
        assert [step for step, _ in shown] == [line["step"] for line in lines]
        assert [value for _, value in shown] == pytest.approx([line[column] for line in lines], rel=1e-6)
    assert [event.step for event in events.Scalars("loss/train")] == list(range(1, 101))


def expect_settings_once(events):
    """In the form that TensorBoard's HParams plugin reads."""
    for tag in (hparams.SESSION_START_INFO_TAG, hparams.SESSION_END_INFO_TAG):
        assert len(events.Tensors(tag)) == 1
    content = {tag: events.SummaryMetadata(tag).plugin_data.content for tag in events.PluginTagToContent("hparams")}
    started = hparams.parse_session_start_info_plugin_data(content[hparams.SESSION_START_INFO_TAG])
    values = started.hparams
    assert values["optimizer.learning_rate"].number_value == 0.2 and values["training.epochs"].number_value == 25
    assert values["optimizer.name"].string_value == "sgd" and values["averaging.model_ema"].bool_value is True
    assert values["model.hidden_sizes"].string_value == "[16]" and "run.name" not in values
    ended = hparams.parse_session_end_info_plugin_data(content[hparams.SESSION_END_INFO_TAG])
    assert ended.status == api_pb2.STATUS_SUCCESS and ended.end_time_secs >= started.start_time_secs
